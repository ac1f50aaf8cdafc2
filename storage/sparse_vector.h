#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace vouch {

// A vector by its entries: values[i] is the weight of the index indices[i]; all other indices have
// the weight 0. What learned term weighting gives a text, as in "SPLADE: Sparse Lexical and
// Expansion Model for First Stage Ranking" (Formal, Piwowarski and Clinchant, 2021).
//
// Weights are at least 0: such models end in a rectifier, counts of terms are not negative either,
// and it is what lets a search pass over rows by upper bounds that are sums of the terms' own.
struct SparseVector {
  std::vector<uint32_t> indices = {};
  std::vector<float> values = {};

  bool empty() const { return indices.empty(); }
  friend bool operator==(const SparseVector&, const SparseVector&) = default;
};

// Larger weights are refused, so that no inner product leaves the range of a float.
inline constexpr float kMaxSparseWeight = 1e15f;

// Of a vector as users send it, in any order and with zeros: as many weights as indices, at most
// `max_entries`; each index once; weights from 0 to kMaxSparseWeight. INVALID_ARGUMENT names the
// position, the value and the limit.
absl::Status CheckSparseVector(const SparseVector& vector, size_t max_entries);

// Ascending by index, without zeros: the one form that is stored and searched. `vector` has as many
// weights as indices.
void CanonicalizeSparseVector(SparseVector& vector);
// Whether a vector passes the check and has that form.
bool IsCanonicalSparseVector(const SparseVector& vector, size_t max_entries);

}  // namespace vouch
