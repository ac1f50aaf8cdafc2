#pragma once

#include <cstdint>

#include "rag/parse/token_estimate.h"

namespace vouch {

// Tokens of one try at a model.
struct TokenUsage {
  static constexpr uint64_t kMaxTokens = 1'000'000'000;  // of either kind; more is not believed

  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  bool estimated = false;  // by EstimateTokens, since the server did not say
  friend bool operator==(const TokenUsage&, const TokenUsage&) = default;
};

}  // namespace vouch
