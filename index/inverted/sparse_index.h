#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/inverted/posting_lists.h"
#include "storage/sparse_vector.h"

namespace vouch {

// The inverted index of one sparse field in one segment: index → postings (row, weight) in row
// order, the weights as they were sent. Immutable; all methods are thread safe.
//
// Invariants beyond those of PostingLists, checked by Parse: 1. terms ascend; 2. weights are above
// 0 and at most kMaxSparseWeight.
class SparseIndex {
 public:
  uint32_t rows() const { return rows_; }
  uint64_t entries() const { return entries_; }  // postings of all terms
  // Rows counted from the segment's first one, values are the bits of weights; empty for an index
  // that no row has. A bound is {bits of the block's largest weight, 0}.
  PostingList postings(uint32_t term) const;
  // Whether the row has all of the vector's entries.
  bool Holds(uint32_t row, const SparseVector& vector) const;
  size_t memory_bytes() const;
  // Numbers little-endian; equal indexes give equal bytes.
  std::string Serialize() const;

  // Canonical vectors in row order, one for each row of the segment (empty ones included).
  static std::shared_ptr<const SparseIndex> Build(std::span<const SparseVector* const> vectors);
  // The parts' rows one after the other.
  static std::shared_ptr<const SparseIndex> Merge(std::span<const SparseIndex* const> parts);
  // Bounds everything; DATA_LOSS where the bytes are not what Serialize writes for `rows` rows.
  static absl::StatusOr<std::shared_ptr<const SparseIndex>> Parse(std::string_view bytes,
                                                                  uint32_t rows);

 private:
  absl::Status Read(std::string_view bytes, uint32_t rows);
  void Add(uint32_t term, std::span<const uint32_t> rows, std::span<const uint32_t> weights);
  void ShrinkToFit();

  uint32_t rows_ = 0;
  uint64_t entries_ = 0;
  std::vector<uint32_t> terms_;
  PostingLists lists_{PostingValues::kFloats};
};

}  // namespace vouch
