#include "query/vector_scorer.h"

#include "index/dense/kernels.h"

namespace vouch {

float SimilarityOf(const DenseField& field, std::span<const float> a, std::span<const float> b) {
  return ScoreOfDistance(BestKernels().one(field.metric)(a.data(), b.data(), a.size()));
}

std::vector<float> PreparedVector(const DenseField& field, std::span<const float> vector) {
  std::vector<float> prepared(vector.begin(), vector.end());
  if (field.metric == Metric::kCosine) NormalizeVector(prepared);
  return prepared;
}

absl::StatusOr<std::span<const float>> VectorScorer::Read(RowId row) {
  const absl::StatusOr<bool> there = reader_.ReadVector(ordinal_, row, buffer_);
  if (!there.ok()) return there.status();
  return *there ? std::span<const float>(buffer_) : std::span<const float>();
}

absl::StatusOr<std::optional<float>> VectorScorer::Score(std::span<const float> prepared,
                                                         RowId row) {
  const absl::StatusOr<std::span<const float>> vector = Read(row);
  if (!vector.ok()) return vector.status();
  if (vector->empty()) return std::nullopt;
  return Similarity(prepared, *vector);
}

}  // namespace vouch
