#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "rag/llm/token_usage.h"

namespace vouch {

// Integer billionths of the currency a token: 150 is 0.15 of it for a million tokens.
struct ModelPrice {
  static constexpr uint64_t kMaxNano = 10'000'000;

  uint64_t input_nano = 0;   // a prompt token, 0 … kMaxNano
  uint64_t output_nano = 0;  // a completion token
};

// What models cost; versioned, so that a record says by which prices it was reckoned.
struct PriceTable {
  std::string version = {};  // "2026-11"; empty: no table, everything costs 0
  std::string currency = "USD";
  std::map<std::string, ModelPrice> models = {};
};

// Never overflows: tokens and prices are bounded.
inline uint64_t CostNano(const ModelPrice& price, const TokenUsage& usage) {
  return price.input_nano * usage.prompt_tokens + price.output_nano * usage.completion_tokens;
}

}  // namespace vouch
