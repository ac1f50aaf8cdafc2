#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "storage/schema.h"

namespace vouch {

// Several vectors of one point in one field, one for each token: what late interaction compares
// (Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via Contextualized Late
// Interaction over BERT", 2020). Tokens need not be words: patches of a page serve as well.
struct MultiVector {
  uint32_t dim = 0;                // values of each token's vector
  std::vector<float> values = {};  // tokens() * dim, token by token

  size_t tokens() const { return dim == 0 ? 0 : values.size() / dim; }
  bool empty() const { return values.empty(); }
  std::span<const float> token(size_t i) const { return {values.data() + i * dim, dim}; }
  friend bool operator==(const MultiVector&, const MultiVector&) = default;
};

// Of a matrix as users send it: the field's dimension, 1 to `max_tokens` tokens, finite values that
// the field's type has, and no zero vector under cosine. INVALID_ARGUMENT names the token, the value
// and the limit.
absl::Status CheckMultiVector(const MultiVectorField& field, const MultiVector& vector,
                              size_t max_tokens);
// Of one as it is kept, normalised and rounded; an empty one is none. INVALID_ARGUMENT likewise.
absl::Status CheckKeptMultiVector(const MultiVectorField& field, const MultiVector& vector);

}  // namespace vouch
