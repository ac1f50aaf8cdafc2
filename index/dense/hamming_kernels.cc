#include "index/dense/hamming_kernels.h"

#include "index/simd_limit.h"

#include <bit>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

uint32_t ScalarDistance(const char* a, const char* b, size_t size) {
  uint32_t count = 0;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t left, right;
    std::memcpy(&left, a + i, sizeof(left));
    std::memcpy(&right, b + i, sizeof(right));
    count += static_cast<uint32_t>(std::popcount(left ^ right));
  }
  for (; i < size; ++i) count += static_cast<uint32_t>(std::popcount(static_cast<uint8_t>(a[i] ^ b[i])));
  return count;
}

#if defined(__x86_64__)

// Counts by a table of nibbles (Mula, Kurz and Lemire, "Faster population counts using AVX2 instructions", 2018).
__attribute__((target("avx2"))) uint32_t Avx2Distance(const char* a, const char* b, size_t size) {
  const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                         0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i nibble = _mm256_set1_epi8(0x0F);
  __m256i sums = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= size; i += 32) {
    const __m256i bits = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + i)),
                                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + i)));
    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, nibble));
    const __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibble));
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256()));
  }
  uint64_t lanes[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sums);
  return static_cast<uint32_t>(lanes[0] + lanes[1] + lanes[2] + lanes[3]) + ScalarDistance(a + i, b + i, size - i);
}

#define VOUCH_VPOPCNT __attribute__((target("avx512f,avx512bw,avx512vpopcntdq")))

VOUCH_VPOPCNT uint32_t Avx512Distance(const char* a, const char* b, size_t size) {
  __m512i sums = _mm512_setzero_si512();
  size_t i = 0;
  for (; i + 64 <= size; i += 64) {
    const __m512i bits = _mm512_xor_si512(_mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i));
    sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(bits));
  }
  if (i < size) {
    const __mmask64 there = (uint64_t{1} << (size - i)) - 1;
    const __m512i bits = _mm512_xor_si512(_mm512_maskz_loadu_epi8(there, a + i), _mm512_maskz_loadu_epi8(there, b + i));
    sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(bits));
  }
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, sums);
  uint64_t count = 0;
  for (const uint64_t lane : lanes) count += lane;
  return static_cast<uint32_t>(count);
}

#endif  // __x86_64__

std::vector<HammingKernels> FindKernels() {
  std::vector<HammingKernels> found = {{.name = "scalar", .distance = ScalarDistance}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (MayUseAvx2() && __builtin_cpu_supports("avx2")) found.push_back({.name = "avx2", .distance = Avx2Distance});
  if (MayUseAvx512() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vpopcntdq")) {
    found.push_back({.name = "avx512-vpopcntdq", .distance = Avx512Distance});
  }
#endif
  return found;
}

}  // namespace

std::span<const HammingKernels> AvailableHammingKernels() {
  static const std::vector<HammingKernels>& kernels = *new std::vector<HammingKernels>(FindKernels());
  return kernels;
}

const HammingKernels& BestHammingKernels() {
  static const HammingKernels& best = AvailableHammingKernels().back();
  return best;
}

}  // namespace vouch
