#include "query/recommend.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "query/vector_scorer.h"

namespace vouch {
namespace {

constexpr size_t kBatchRows = 1024;

void AddMean(const std::vector<std::vector<float>>& vectors, double factor,
             std::vector<double>& sum) {
  if (vectors.empty()) return;
  for (size_t d = 0; d < sum.size(); ++d) {
    double total = 0;
    for (const std::vector<float>& vector : vectors) total += vector[d];
    sum[d] += factor * (total / static_cast<double>(vectors.size()));
  }
}

float Greatest(const std::vector<std::vector<float>>& examples, std::span<const float> vector,
               const VectorScorer& scorer) {
  float greatest = -std::numeric_limits<float>::infinity();
  for (const std::vector<float>& example : examples)
    greatest = std::max(greatest, scorer.Similarity(example, vector));
  return greatest;
}

// Keeps the best `limit`, the worst of them in front.
void Offer(const RankedRow& row, size_t limit, std::vector<RankedRow>& best) {
  if (best.size() == limit) {
    if (!(row < best.front())) return;
    std::pop_heap(best.begin(), best.end());
    best.pop_back();
  }
  best.push_back(row);
  std::push_heap(best.begin(), best.end());
}

}  // namespace

std::vector<float> AverageExamples(const Examples& examples) {
  std::vector<double> sum(examples.positive.front().size());
  AddMean(examples.positive, examples.negative.empty() ? 1 : 2, sum);
  AddMean(examples.negative, -1, sum);
  return std::vector<float>(sum.begin(), sum.end());
}

double BestScoreOf(float positive, float negative) {
  const auto squashed = [](double x) {
    return std::isinf(x) ? (x > 0 ? 1.0 : 0.0) : 0.5 * (x / (1 + std::abs(x)) + 1);
  };
  return positive > negative ? squashed(positive) : -squashed(negative);
}

absl::StatusOr<std::vector<RankedRow>> SearchBestScore(
    const IndexReader& reader, const CollectionSchema& schema, const BestScoreSearch& search,
    const RowMask& mask, const CancelToken& cancel, SearchStats* stats) {
  const Examples& examples = *search.examples;
  VectorScorer scorer(reader, schema, search.field);
  std::vector<RankedRow> best;
  uint64_t compared = 0;
  RowId after = kNoRow;
  while (search.limit > 0) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const std::vector<RowId> rows = reader.ScrollRows(mask, after, kBatchRows);
    for (RowId row : rows) {
      if (std::binary_search(examples.rows.begin(), examples.rows.end(), row)) continue;
      const absl::StatusOr<std::span<const float>> vector = scorer.Read(row);
      if (!vector.ok()) return vector.status();
      if (vector->empty()) continue;
      ++compared;
      Offer({row, BestScoreOf(Greatest(examples.positive, *vector, scorer),
                              Greatest(examples.negative, *vector, scorer))},
            search.limit, best);
    }
    if (rows.size() < kBatchRows) break;
    after = rows.back();
  }
  std::sort(best.begin(), best.end());
  if (stats != nullptr) {
    stats->rows_visited = compared;
    stats->distances = compared * (examples.positive.size() + examples.negative.size());
    stats->plan = absl::StrCat("best score over ", examples.positive.size(), " positive and ",
                               examples.negative.size(), " negative examples, all allowed rows");
  }
  return best;
}

}  // namespace vouch
