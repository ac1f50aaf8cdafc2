#include "query/rerank_exact.h"

#include <algorithm>

namespace vouch {

absl::StatusOr<std::vector<RankedRow>> RerankExact(std::span<const RankedRow> candidates,
                                                   std::span<const float> prepared,
                                                   VectorScorer& scorer,
                                                   const CancelToken& cancel) {
  constexpr size_t kRowsBetweenChecks = 1024;
  std::vector<RankedRow> hits;
  hits.reserve(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i % kRowsBetweenChecks == 0) {
      if (absl::Status status = cancel.Check(); !status.ok()) return status;
    }
    const absl::StatusOr<std::optional<float>> score = scorer.Score(prepared, candidates[i].row);
    if (!score.ok()) return score.status();
    if (score->has_value()) hits.push_back({candidates[i].row, **score});
  }
  std::sort(hits.begin(), hits.end());
  return hits;
}

}  // namespace vouch
