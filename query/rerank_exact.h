#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "query/ranked_row.h"
#include "query/vector_scorer.h"

namespace vouch {

// The candidates by their exact similarity to a prepared vector, in total order. Those without a
// vector in the field fall out, as they do in a dense leaf.
absl::StatusOr<std::vector<RankedRow>> RerankExact(std::span<const RankedRow> candidates,
                                                   std::span<const float> prepared,
                                                   VectorScorer& scorer, const CancelToken& cancel);

}  // namespace vouch
