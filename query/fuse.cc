#include "query/fuse.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace vouch {

double RrfShare(double k, double weight, size_t rank) {
  return weight / (k + static_cast<double>(rank));
}

std::vector<RankedRow> FuseRrf(std::span<const std::vector<RankedRow>* const> lists, double k,
                               std::span<const double> weights) {
  size_t total = 0;
  for (const std::vector<RankedRow>* list : lists) total += list->size();
  std::vector<RankedRow> fused;
  fused.reserve(total);
  absl::flat_hash_map<uint64_t, size_t> position_of;
  position_of.reserve(total);
  for (size_t i = 0; i < lists.size(); ++i) {
    const double weight = weights.empty() ? 1.0 : weights[i];
    for (size_t at = 0; at < lists[i]->size(); ++at) {
      const RowId row = (*lists[i])[at].row;
      const auto [entry, fresh] = position_of.try_emplace(row.value, fused.size());
      if (fresh) fused.push_back({row, 0});
      fused[entry->second].score += RrfShare(k, weight, at + 1);
    }
  }
  std::sort(fused.begin(), fused.end());
  return fused;
}

}  // namespace vouch
