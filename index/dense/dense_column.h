#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "index/aligned_buffer.h"
#include "index/dense/mapped_vectors.h"
#include "storage/schema.h"

namespace vouch {

// The vectors of one dense field in one segment. Rows that have a vector are called nodes and are numbered in row
// order; a column where every row has one needs no table of rows. The vectors lie in private memory, or mapped in a
// segment file; VectorReader reads both.
//
// Immutable, cheap to copy (it shares its bytes), thread safe.
//
// Invariants:
// 1. Node order is row order, so that a tie of distances broken by node is broken by row.
// 2. Under cosine the vectors have length 1: they were normalised once, at write.
class DenseColumn {
 public:
  DenseColumn() = default;
  // `vectors`: nodes * dim floats, row-major; `rows`: the row of each node, ascending, or empty where node = row.
  // Both lie in `owner`.
  DenseColumn(uint32_t dim, Metric metric, uint32_t segment_rows, std::span<const float> vectors,
              std::span<const uint32_t> rows, std::shared_ptr<const void> owner)
      : dim_(dim),
        metric_(metric),
        segment_rows_(segment_rows),
        nodes_(dim == 0 ? 0 : static_cast<uint32_t>(vectors.size() / dim)),
        vectors_(vectors.data()),
        rows_(rows),
        owner_(std::move(owner)) {}
  // Vectors in a file; `rows` as above.
  DenseColumn(uint32_t dim, Metric metric, uint32_t segment_rows, std::shared_ptr<const MappedVectors> mapped,
              std::span<const uint32_t> rows, std::shared_ptr<const void> owner)
      : dim_(dim),
        metric_(metric),
        segment_rows_(segment_rows),
        nodes_(mapped->nodes()),
        rows_(rows),
        mapped_(std::move(mapped)),
        owner_(std::move(owner)) {}

  uint32_t dim() const { return dim_; }
  Metric metric() const { return metric_; }
  uint32_t segment_rows() const { return segment_rows_; }
  uint32_t nodes() const { return nodes_; }
  bool dense_rows() const { return nodes_ == segment_rows_; }  // node = row

  // Null where the vectors lie in private memory.
  const MappedVectors* mapped() const { return mapped_.get(); }
  // Only of a column in private memory, as is vectors().
  const float* vector(uint32_t node) const { return vectors_ + size_t{node} * dim_; }
  void Prefetch(uint32_t node) const {
    if (mapped_ != nullptr) return mapped_->Prefetch(node);
    constexpr uint32_t kLineFloats = 16;
    constexpr uint32_t kMostFloats = 16 * kLineFloats;  // the processor follows the rest by itself
    for (uint32_t d = 0; d < dim_ && d < kMostFloats; d += kLineFloats) __builtin_prefetch(vector(node) + d);
  }
  std::span<const float> vectors() const { return {vectors_, mapped_ == nullptr ? size_t{nodes_} * dim_ : 0}; }
  std::span<const uint32_t> rows() const { return rows_; }
  uint32_t RowOf(uint32_t node) const { return rows_.empty() ? node : rows_[node]; }
  // nullopt where the row has no vector.
  std::optional<uint32_t> NodeOf(uint32_t row) const;

  // Copies the vectors: one entry a row, `dim` floats or none.
  static absl::StatusOr<DenseColumn> Build(const DenseField& field, std::span<const std::span<const float>> rows);
  // The parts' rows one after the other, in private memory; so one part alone is copied there. Where a mapped part is
  // damaged and the store cannot give its vectors, the store's error.
  static absl::StatusOr<DenseColumn> Merge(const DenseField& field, std::span<const DenseColumn* const> parts);

 private:
  uint32_t dim_ = 0;
  Metric metric_ = Metric::kL2;
  uint32_t segment_rows_ = 0;
  uint32_t nodes_ = 0;
  const float* vectors_ = nullptr;
  std::span<const uint32_t> rows_;
  std::shared_ptr<const MappedVectors> mapped_;
  std::shared_ptr<const void> owner_;
};

}  // namespace vouch
