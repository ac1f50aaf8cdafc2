#pragma once

#include <cstddef>
#include <cstdint>

namespace vouch {

// What one request may ask for, where the layers below do not say so themselves.
struct ApiLimits {
  static constexpr uint32_t kMaxGetIds = 10'000;
  static constexpr uint32_t kDefaultScrollLimit = 100;
  static constexpr uint32_t kDefaultSearchLimit = 10;
  static constexpr uint32_t kMaxVersions = 1'000;
  static constexpr uint32_t kDefaultVersions = 100;
  static constexpr uint32_t kMaxAnswers = 1'000;
  static constexpr size_t kMaxCallerBytes = 256;  // of who asks, as experiments tell callers apart
  static constexpr uint32_t kDefaultAnswers = 20;
  static constexpr uint32_t kMaxOffers = 10'000;   // documents in one Offer
  static constexpr uint32_t kMaxFilterDepth = 32;  // of a structured filter
  static constexpr uint32_t kMaxEmbeddedTexts = 2'048;
  static constexpr uint32_t kMaxEvaluationQueries = 100'000;
  static constexpr uint32_t kMaxEvaluationDepth = 10'000;
};

}  // namespace vouch
