#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/multi_vector.h"
#include "storage/schema.h"

namespace vouch {

// What one query token gave to a score.
struct TokenMatch {
  uint32_t query_token = 0;
  uint32_t token = 0;  // the first of the document's tokens that is most like it
  float score = 0;     // their similarity; the matches, added in order, are the document's score
};

// Late interaction of one query with documents (Khattab and Zaharia, "ColBERT: Efficient and Effective Passage Search via
// Contextualized Late Interaction over BERT", 2020, section 3.4):
//
//   score = Σ over the query's tokens q of max over the document's tokens d of q · d
//
// Invariant: q · d is computed in the one order of dense/kernels.h; the sum is made in double, in the order of the query's
// tokens, and rounded once to float. So every processor gives the same bits. Never NaN (−infinity instead) and never −0.
class MaxSim {
 public:
  // `query` is of the documents' dimension, and normalised under cosine. Copies it.
  explicit MaxSim(const MultiVector& query);

  size_t query_tokens() const { return tokens_; }
  size_t dim() const { return dim_; }
  // `document`: its tokens one after the other, at least one. Not thread safe.
  float Score(std::span<const float> document);
  // One a query token, in order.
  std::vector<TokenMatch> Matches(std::span<const float> document) const;

 private:
  size_t dim_;
  size_t tokens_;
  std::vector<float> query_;  // and zeros up to a whole block of tokens
  std::vector<float> best_;   // by query token
};

// Scales each token's vector to length 1, where the metric is cosine and the token is not zero.
void NormalizeTokens(Metric metric, MultiVector& vector);

}  // namespace vouch
