#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/gpu/kernel_lane.h"

namespace vouch {

// Queries that matrix units compare with rows; all of it on the device.
struct ProductQueries {
  const void* rows = nullptr;  // laid out as the rows that they are compared with
  uint32_t count = 0;
  const uint64_t* words = nullptr;  // bitmaps of nodes to look at; null: all
  const uint64_t* word_start = nullptr;
  const uint32_t* own = nullptr;  // by query: its node; its hits are those before it (gpu::LinkOrder), by gpu::LinkName; null: all
};

// The rows nearest to each of some queries by products of matrix units, slice after slice. Given to the lane's stream: what it finds is
// there when the stream has come so far.
class ProductSelection {
 public:
  static constexpr uint32_t kRowsOfBlock = 4096;  // of a slice
  struct Form {
    bool half = false;       // f16; else f32
    bool rounded = true;     // f32 to TF32: who uses that checks what it finds (product_bound.h)
    uint64_t row_bytes = 0;  // with padding
    uint32_t wide = 0;       // rows to be found of each query
    uint32_t slice = 0;      // most rows of one slice
  };
  static absl::StatusOr<ProductSelection> Begin(KernelLane& lane, const Form& form, const ProductQueries& queries);

  struct Slice {
    const void* rows = nullptr;
    uint32_t count = 0;              // at most Form::slice
    const float* lengths = nullptr;  // |y|² of each; null: inner product
    const uint32_t* list = nullptr;  // the node of each; null: one after the other
    uint32_t first_node = 0;         // then
    bool last = false;
  };
  absl::Status Add(const Slice& slice);
  // After the last slice: [query][wide] keys, ascending; kNoKey where there are no more.
  const uint64_t* found() const { return compact_; }

 private:
  ProductSelection(KernelLane& lane, const Form& form, const ProductQueries& queries) : lane_(&lane), form_(form), queries_(queries) {}
  static uint32_t BlocksFor(uint32_t slice);
  // Of a query: the best so far, then what the blocks found.
  static uint64_t StrideFor(const Form& form) { return uint64_t{form.wide} * (1 + BlocksFor(form.slice)); }

  KernelLane* lane_;
  Form form_;
  ProductQueries queries_;
  float* products_ = nullptr;
  uint64_t* best_ = nullptr;
  uint64_t* compact_ = nullptr;
};

}  // namespace vouch
