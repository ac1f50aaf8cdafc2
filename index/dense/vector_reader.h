#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "index/dense/dense_column.h"

namespace vouch {

// Reads vectors of one column for one search or merge, always as they were written: those in
// private memory where they lie, mapped ones through a checked copy, and damaged ones from the
// store.
//
// Not thread safe. The column must outlive it.
class VectorReader {
 public:
  static constexpr size_t kSlots = 4;

  explicit VectorReader(const DenseColumn& column);
  VectorReader(const VectorReader&) = delete;
  VectorReader& operator=(const VectorReader&) = delete;

  // The node's vector, dim floats; good until the slot's next read. Zeros where status() is not OK.
  const float* Read(uint32_t node, size_t slot = 0) {
    const char* bytes = ReadBytes(node, slot);
    if (column_.type() == VectorType::kF32) return reinterpret_cast<const float*>(bytes);
    float* out = decoded_.data() + slot * column_.dim();
    DecodeVector(column_.type(), bytes, {out, column_.dim()});
    return out;
  }
  // The same as it is kept, vector_bytes() of the column.
  const char* ReadBytes(uint32_t node, size_t slot = 0) {
    if (mapped_ == nullptr) return column_.bytes(node);
    char* out = slots_ + slot * stride_;
    if (!mapped_->Copy(node, out)) ReadTruth(node, out);
    return out;
  }
  // As Read and ReadBytes, where all nodes are read in order: the file is read ahead.
  const float* ReadNext(uint32_t node, size_t slot = 0) {
    if (mapped_ != nullptr && node >= asked_) AskAhead(node);
    return Read(node, slot);
  }
  const char* ReadNextBytes(uint32_t node, size_t slot = 0) {
    if (mapped_ != nullptr && node >= asked_) AskAhead(node);
    return ReadBytes(node, slot);
  }
  // OK, or why a vector could neither be had from the file nor from the store. Then nothing
  // computed from any may be used.
  const absl::Status& status() const { return status_; }

 private:
  void AskAhead(uint32_t node);
  void ReadTruth(uint32_t node, char* out);
  void FillBlock(uint32_t begin);

  const DenseColumn& column_;
  const MappedVectors* mapped_;
  size_t stride_ = 0;  // bytes from slot to slot
  std::vector<char> buffer_;
  char* slots_ = nullptr;       // in buffer_, at a cache line's begin
  std::vector<float> decoded_;  // kSlots vectors, where the type is not f32
  uint32_t asked_ = 0;      // nodes below it were asked for ahead
  absl::Status status_;

  // Rows of the segment that were read from the store. Damaged rows asked for in order are read in
  // growing blocks.
  uint32_t block_begin_ = 0;
  uint32_t block_end_ = 0;
  std::vector<float> block_;
  std::vector<bool> in_block_;
};

}  // namespace vouch
