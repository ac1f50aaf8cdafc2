#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vouch {

// Sums of table entries that 4-bit codes name, of a block of 32 nodes at once.
//
// Invariant: sums are exact integers (at most 256 groups of 8 bits fit in 16), so that all variants agree.
inline constexpr size_t kPqBlock = 32;
inline constexpr size_t kPqGroupBytes = 16;

struct PqKernels {
  // out[i] is the sum over the groups of table[group * 16 + code of node i]. `codes`: groups * 16 bytes, byte j of a group
  // holding node j in its low and node 16 + j in its high four bits.
  using Sums = void (*)(const uint8_t* codes, const uint8_t* table, size_t groups, uint16_t out[kPqBlock]);

  std::string_view name;
  Sums sums = nullptr;
};

// The fastest variant that this processor runs.
const PqKernels& BestPqKernels();
// All variants that this processor runs, for tests; the first is the scalar one.
std::span<const PqKernels> AvailablePqKernels();

}  // namespace vouch
