#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace vouch {

// Records of codes and what they are compared with.
//
// A record: `stride` bytes, a code of 7-bit unsigned values, zeros, a float bias in the last four. The query has `stride`
// 8-bit signed values, 0 where a code has no value.
struct CodeComparison {
  const uint8_t* records = nullptr;
  size_t stride = 0;
  const int8_t* query = nullptr;
  float scale = 0;    // of an inner product, in a key
  int32_t shift = 0;  // taken from each inner product first
};

// The keys of nodes: bias - scale * float(inner product - shift), where the inner product is an exact integer and the
// difference, the product and the key are each rounded once.
//
// Invariants:
// 1. Values of a code are at most kMaxCodeValue and those of a query at least -127: a sum of two products then fits 16
//    bits (2 · 127 · 127 = 32,258), so the saturating AVX2 instruction is exact, and scalar, AVX2 and AVX-512 VNNI agree.
// 2. `stride` is a multiple of 32. Bytes of a code where the query is 0 may hold anything.
struct CodeKernels {
  // out[i] is the key of nodes[i].
  using Keys = void (*)(const CodeComparison& comparison, const uint32_t* nodes, size_t count, float* out);

  std::string_view name;
  Keys keys = nullptr;
};

inline constexpr int kMaxCodeValue = 127;

// The fastest variant that this processor runs.
const CodeKernels& BestCodeKernels();
// All variants that this processor runs, for tests; the first is the scalar one.
std::span<const CodeKernels> AvailableCodeKernels();

}  // namespace vouch
