#pragma once

#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "storage/schema.h"

namespace vouch {

// Similarity of two vectors by a field's metric, as dense leaves score: higher is better. Both have
// the field's dimension and are normalised under cosine.
float SimilarityOf(const DenseField& field, std::span<const float> a, std::span<const float> b);

// `vector` as the field compares it: normalised under cosine. It must be valid for the field.
std::vector<float> PreparedVector(const DenseField& field, std::span<const float> vector);

// Reads vectors of rows of one dense field and compares them with others. For one thread; borrows
// all.
class VectorScorer {
 public:
  VectorScorer(const IndexReader& reader, const CollectionSchema& schema, int field)
      : reader_(reader),
        field_(schema.dense[static_cast<size_t>(field)]),
        ordinal_(field),
        buffer_(field_.dim) {}

  // The row's vector, as it is kept; good until the next call. Empty: it has none.
  absl::StatusOr<std::span<const float>> Read(RowId row);
  // Exact similarity of the row to a prepared vector; nullopt: the row has no vector.
  absl::StatusOr<std::optional<float>> Score(std::span<const float> prepared, RowId row);
  float Similarity(std::span<const float> a, std::span<const float> b) const {
    return SimilarityOf(field_, a, b);
  }

 private:
  const IndexReader& reader_;
  const DenseField& field_;
  const int ordinal_;
  std::vector<float> buffer_;
};

}  // namespace vouch
