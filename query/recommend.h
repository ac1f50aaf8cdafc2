#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/examples.h"
#include "query/ranked_row.h"

namespace vouch {

// 2 · mean(positive) − mean(negative), or mean(positive) where there is no negative; summed in
// double, rounded once.
std::vector<float> AverageExamples(const Examples& examples);

// The score of the best_score strategy: with p and n the greatest similarity to a positive and to a
// negative example and s(x) = (x / (1 + |x|) + 1) / 2, it is s(p) where p > n, and −s(n) else. So
// whatever is nearer to a positive example comes before whatever is not, for any metric (the
// best_score strategy of Qdrant's recommend API).
double BestScoreOf(float positive, float negative);

struct BestScoreSearch {
  int field = 0;  // ordinal in the schema
  const Examples* examples = nullptr;
  size_t limit = 0;
};

// The best `limit` allowed rows with a vector by BestScoreOf, the examples' rows left out, in total
// order. Compares every allowed row with every example.
absl::StatusOr<std::vector<RankedRow>> SearchBestScore(
    const IndexReader& reader, const CollectionSchema& schema, const BestScoreSearch& search,
    const RowMask& mask, const CancelToken& cancel, SearchStats* stats);

}  // namespace vouch
