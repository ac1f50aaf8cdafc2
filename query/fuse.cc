#include "query/fuse.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"

namespace vouch {

std::vector<RankedRow> Fuse(std::span<const FusionLeg> legs) {
  size_t total = 0;
  for (const FusionLeg& leg : legs) total += leg.hits->size();
  std::vector<RankedRow> fused;
  fused.reserve(total);
  absl::flat_hash_map<uint64_t, size_t> position_of;
  position_of.reserve(total);
  for (const FusionLeg& leg : legs) {
    for (size_t at = 0; at < leg.hits->size(); ++at) {
      const RankedRow& hit = (*leg.hits)[at];
      const auto [entry, fresh] = position_of.try_emplace(hit.row.value, fused.size());
      if (fresh) fused.push_back({hit.row, 0});
      fused[entry->second].score += leg.scale.Share(leg.weight, hit.score, at + 1);
    }
  }
  std::sort(fused.begin(), fused.end());
  return fused;
}

}  // namespace vouch
