#pragma once

#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "query/ranked_row.h"
#include "query/vector_scorer.h"

namespace vouch {

// One choice of maximal marginal relevance.
struct MmrChoice {
  RowId row;
  double score =
      0;  // lambda · relevance − (1 − lambda) · redundancy; the first one: lambda · relevance
  float relevance = 0;              // similarity to the query
  std::optional<float> redundancy;  // greatest similarity to one chosen before; none for the first
};

// Maximal marginal relevance (Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking
// for Reordering Documents and Producing Summaries", 1998): picks, one after the other, the
// candidate of the greatest lambda · sim(query) − (1 − lambda) · max sim(chosen), ties by row,
// until `limit` are chosen. Both similarities are the field's own. Candidates without a vector fall
// out. In the order of choice, in which scores may rise. O(limit · candidates) similarities.
absl::StatusOr<std::vector<MmrChoice>> ChooseByMmr(std::span<const RankedRow> candidates,
                                                   std::span<const float> prepared, double lambda,
                                                   size_t limit, VectorScorer& scorer,
                                                   const CancelToken& cancel);

}  // namespace vouch
