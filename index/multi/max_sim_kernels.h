#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace vouch {

// The greatest inner product of each query token with any of a document's tokens.
//
// Invariant: each product has the bits that dense/kernels.h defines, so all variants agree. NaN, which only overflow can
// make, counts as −infinity; whether a greatest product of 0 is −0 is not defined.
struct MaxSimKernels {
  // Query tokens are compared four at a time: there must be a multiple of them.
  static constexpr size_t kBlock = 4;

  // best[i] = max(best[i], query token i · each document token). `query`: query_tokens * dim; `document`:
  // document_tokens * dim, at least one token.
  using Best = void (*)(const float* query, size_t query_tokens, const float* document, size_t document_tokens,
                        size_t dim, float* best);

  std::string_view name;
  Best best = nullptr;
};

// The fastest variant that this processor runs.
const MaxSimKernels& BestMaxSimKernels();
// All variants that this processor runs, for tests; the first is the scalar one.
std::span<const MaxSimKernels> AvailableMaxSimKernels();

}  // namespace vouch
