#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vouch {

// Inner products of a code (7-bit unsigned values) and a query (8-bit signed ones), as exact integers.
//
// Invariants:
// 1. Values of a code are at most kMaxCodeValue and those of a query at least -127: a sum of two products then fits 16
//    bits (2 · 127 · 127 = 32,258), so the saturating AVX2 instruction is exact, and scalar, AVX2 and AVX-512 VNNI agree.
// 2. `stride` is a multiple of 32. Bytes of a code where the query is 0 may hold anything.
struct CodeKernels {
  using One = int32_t (*)(const uint8_t* code, const int8_t* query, size_t stride);
  using Four = void (*)(const uint8_t* const codes[4], const int8_t* query, size_t stride, int32_t out[4]);

  std::string_view name;
  One one = nullptr;
  Four four = nullptr;
};

inline constexpr int kMaxCodeValue = 127;

// The fastest variant that this processor runs.
const CodeKernels& BestCodeKernels();
// All variants that this processor runs, for tests; the first is the scalar one.
std::span<const CodeKernels> AvailableCodeKernels();

}  // namespace vouch
