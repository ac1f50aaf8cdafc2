#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vouch {

// How many bits differ between bit vectors of `size` bytes each, aligned or not. Whole numbers, so that all variants
// agree whatever their order.
struct HammingKernels {
  using Distance = uint32_t (*)(const char* a, const char* b, size_t size);

  std::string_view name;
  Distance distance = nullptr;
};

// The fastest variant that this processor runs.
const HammingKernels& BestHammingKernels();
// All variants that this processor runs, for tests; the first is the scalar one.
std::span<const HammingKernels> AvailableHammingKernels();

}  // namespace vouch
