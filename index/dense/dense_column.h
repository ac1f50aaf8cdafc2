#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "index/aligned_buffer.h"
#include "index/dense/mapped_vectors.h"
#include "storage/schema.h"
#include "storage/vector_codec.h"

namespace vouch {

// The vectors of one dense field in one segment. Rows that have a vector are called nodes and are numbered in row
// order; a column where every row has one needs no table of rows. The vectors lie in private memory, or mapped in a
// segment file, either way as their type keeps them (storage/vector_codec.h); VectorReader reads both.
//
// Immutable, cheap to copy (it shares its bytes), thread safe.
//
// Invariants:
// 1. Node order is row order, so that a tie of distances broken by node is broken by row.
// 2. Under cosine the vectors were normalised once, at write: they have length 1, but for what their type rounds.
class DenseColumn {
 public:
  DenseColumn() = default;
  // `vectors`: one after the other; `rows`: the row of each node, ascending, or empty where node = row. Both lie in
  // `owner`.
  DenseColumn(const DenseField& field, uint32_t segment_rows, std::string_view vectors, std::span<const uint32_t> rows,
              std::shared_ptr<const void> owner)
      : dim_(field.dim),
        metric_(field.metric),
        type_(field.type),
        segment_rows_(segment_rows),
        vector_bytes_(VectorBytes(field.type, field.dim)),
        nodes_(field.dim == 0 ? 0 : static_cast<uint32_t>(vectors.size() / vector_bytes_)),
        vectors_(vectors.data()),
        rows_(rows),
        owner_(std::move(owner)) {}
  // Vectors in a file; `rows` as above.
  DenseColumn(const DenseField& field, uint32_t segment_rows, std::shared_ptr<const MappedVectors> mapped,
              std::span<const uint32_t> rows, std::shared_ptr<const void> owner)
      : DenseColumn(field, segment_rows, std::string_view(), rows, std::move(owner)) {
    nodes_ = mapped->nodes();
    mapped_ = std::move(mapped);
  }
  // The same column with its vectors in a file.
  DenseColumn(const DenseColumn& column, std::shared_ptr<const MappedVectors> mapped, std::span<const uint32_t> rows,
              std::shared_ptr<const void> owner)
      : DenseColumn(column) {
    vectors_ = nullptr;
    rows_ = rows;
    mapped_ = std::move(mapped);
    owner_ = std::move(owner);
  }

  uint32_t dim() const { return dim_; }
  Metric metric() const { return metric_; }
  VectorType type() const { return type_; }
  size_t vector_bytes() const { return vector_bytes_; }
  uint32_t segment_rows() const { return segment_rows_; }
  uint32_t nodes() const { return nodes_; }
  bool dense_rows() const { return nodes_ == segment_rows_; }  // node = row

  // Null where the vectors lie in private memory.
  const MappedVectors* mapped() const { return mapped_.get(); }
  // The vector as it is kept, vector_bytes of them. Only of a column in private memory, as are Values and vectors().
  const char* bytes(uint32_t node) const { return vectors_ + size_t{node} * vector_bytes_; }
  // Its values: where they lie, or, of a type that is not f32, decoded to `scratch`, which has dim places then.
  const float* Values(uint32_t node, float* scratch) const {
    if (type_ == VectorType::kF32) return reinterpret_cast<const float*>(bytes(node));
    DecodeVector(type_, bytes(node), {scratch, dim_});
    return scratch;
  }
  void Prefetch(uint32_t node) const {
    if (mapped_ != nullptr) return mapped_->Prefetch(node);
    constexpr size_t kMostBytes = 1024;  // the processor follows the rest by itself
    for (size_t at = 0; at < vector_bytes_ && at < kMostBytes; at += 64) __builtin_prefetch(bytes(node) + at);
  }
  std::string_view vectors() const { return {vectors_, mapped_ == nullptr ? size_t{nodes_} * vector_bytes_ : 0}; }
  std::span<const uint32_t> rows() const { return rows_; }
  uint32_t RowOf(uint32_t node) const { return rows_.empty() ? node : rows_[node]; }
  // nullopt where the row has no vector.
  std::optional<uint32_t> NodeOf(uint32_t row) const;

  // Copies the vectors: one entry a row, `dim` floats that the field's type has, or none.
  static absl::StatusOr<DenseColumn> Build(const DenseField& field, std::span<const std::span<const float>> rows);
  // The parts' rows one after the other, in private memory; so one part alone is copied there. Where a mapped part is
  // damaged and the store cannot give its vectors, the store's error.
  static absl::StatusOr<DenseColumn> Merge(const DenseField& field, std::span<const DenseColumn* const> parts);

 private:
  uint32_t dim_ = 0;
  Metric metric_ = Metric::kL2;
  VectorType type_ = VectorType::kF32;
  uint32_t segment_rows_ = 0;
  size_t vector_bytes_ = 0;
  uint32_t nodes_ = 0;
  const char* vectors_ = nullptr;
  std::span<const uint32_t> rows_;
  std::shared_ptr<const MappedVectors> mapped_;
  std::shared_ptr<const void> owner_;
};

}  // namespace vouch
