#include "query/group.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "query/query_tree.h"

namespace vouch {
namespace {

// The least depth at which the first run of a grouping costs hardly more than the search without
// it.
constexpr size_t kFirstDepthFactor = 3;
constexpr size_t kLastDepthFactor = 4;
constexpr size_t kDefaultDepth = 1'000;

}  // namespace

absl::StatusOr<GroupedHits> GroupHits(const IndexReader& reader, std::span<const RankedRow> hits,
                                      const GroupLimits& limits, const CancelToken& cancel) {
  constexpr size_t kHitsBetweenChecks = 64;
  GroupedHits grouped;
  absl::flat_hash_map<PayloadValue, size_t> group_of;
  size_t full_groups = 0;
  for (size_t i = 0; i < hits.size() && full_groups < limits.groups; ++i) {
    if (i % kHitsBetweenChecks == 0) {
      if (absl::Status status = cancel.Check(); !status.ok()) return status;
    }
    for (PayloadValue& value : reader.PayloadOf(limits.field, hits[i].row)) {
      auto known = group_of.find(value);
      if (known == group_of.end()) {
        if (grouped.groups.size() == limits.groups) continue;
        known = group_of.emplace(value, grouped.groups.size()).first;
        grouped.groups.emplace_back().value = std::move(value);
      }
      GroupedHits::Group& group = grouped.groups[known->second];
      if (group.hits.size() == limits.hits) continue;
      // A row that has a value twice joins its group once.
      if (!group.hits.empty() && group.hits.back().row == hits[i].row) continue;
      group.hits.push_back(hits[i]);
      if (group.hits.size() == limits.hits) ++full_groups;
    }
  }
  grouped.full = full_groups == limits.groups;
  return grouped;
}

size_t FirstGroupDepth(size_t wanted) {
  return std::min<size_t>(kFirstDepthFactor * wanted, QueryLimits::kMaxLimit);
}

size_t LastGroupDepth(const GroupBy& group_by, size_t wanted) {
  if (group_by.candidates != 0) return group_by.candidates;
  return std::min<size_t>(std::max(kDefaultDepth, kLastDepthFactor * wanted),
                          QueryLimits::kMaxLimit);
}

}  // namespace vouch
