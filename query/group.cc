#include "query/group.h"

#include <algorithm>

#include "query/query_tree.h"

namespace vouch {
namespace {

// The least depth at which the first run of a grouping costs hardly more than the search without
// it.
constexpr size_t kFirstDepthFactor = 4;
constexpr size_t kDefaultDepth = 1'000;

}  // namespace

GroupedHits GroupHits(const IndexReader& reader, std::span<const RankedRow> hits,
                      const GroupLimits& limits) {
  GroupedHits grouped;
  size_t full_groups = 0;
  for (const RankedRow& hit : hits) {
    std::vector<PayloadValue> values = reader.PayloadOf(limits.field, hit.row);
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::find(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(i), values[i]) !=
          values.begin() + static_cast<std::ptrdiff_t>(i)) {
        continue;
      }
      auto group =
          std::find_if(grouped.groups.begin(), grouped.groups.end(),
                       [&](const GroupedHits::Group& known) { return known.value == values[i]; });
      if (group == grouped.groups.end()) {
        if (grouped.groups.size() == limits.groups) continue;
        grouped.groups.push_back({.value = values[i], .hits = {}});
        group = grouped.groups.end() - 1;
      }
      if (group->hits.size() == limits.hits) continue;
      group->hits.push_back(hit);
      if (group->hits.size() == limits.hits) ++full_groups;
    }
    if (full_groups == limits.groups) break;
  }
  grouped.full = full_groups == limits.groups;
  return grouped;
}

size_t FirstGroupDepth(size_t wanted) {
  return std::min<size_t>(kFirstDepthFactor * wanted, QueryLimits::kMaxLimit);
}

size_t LastGroupDepth(const GroupBy& group_by, size_t wanted) {
  if (group_by.candidates != 0) return group_by.candidates;
  return std::min<size_t>(std::max(kDefaultDepth, kFirstDepthFactor * wanted),
                          QueryLimits::kMaxLimit);
}

}  // namespace vouch
