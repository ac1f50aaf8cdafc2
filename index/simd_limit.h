#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace vouch {

// The widest instructions that kernels may be chosen of: what the processor has, unless the environment variable VOUCH_SIMD
// says less ("scalar" or "avx2"; anything else is no limit). It is there to show, and to test, that results do not depend on
// it; it is read once, before the first search.
enum class SimdLimit : uint8_t { kScalar, kAvx2, kNone };

inline SimdLimit AllowedSimd() {
  static const SimdLimit limit = [] {
    const char* value = std::getenv("VOUCH_SIMD");
    const std::string_view name = value == nullptr ? "" : value;
    if (name == "scalar") return SimdLimit::kScalar;
    return name == "avx2" ? SimdLimit::kAvx2 : SimdLimit::kNone;
  }();
  return limit;
}
inline bool MayUseAvx2() { return AllowedSimd() >= SimdLimit::kAvx2; }
inline bool MayUseAvx512() { return AllowedSimd() >= SimdLimit::kNone; }

}  // namespace vouch
