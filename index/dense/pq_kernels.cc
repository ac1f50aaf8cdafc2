#include "index/dense/pq_kernels.h"

#include "index/simd_limit.h"

#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

void ScalarSums(const uint8_t* codes, const uint8_t* table, size_t groups, uint16_t out[kPqBlock]) {
  std::memset(out, 0, kPqBlock * sizeof(uint16_t));
  for (size_t group = 0; group < groups; ++group, codes += kPqGroupBytes, table += 16) {
    for (size_t i = 0; i < kPqGroupBytes; ++i) {
      out[i] = static_cast<uint16_t>(out[i] + table[codes[i] & 15]);
      out[16 + i] = static_cast<uint16_t>(out[16 + i] + table[codes[i] >> 4]);
    }
  }
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) void Avx2Sums(const uint8_t* codes, const uint8_t* table, size_t groups,
                                              uint16_t out[kPqBlock]) {
  const __m128i nibble = _mm_set1_epi8(15);
  const __m256i low_bytes = _mm256_set1_epi16(0xFF);
  __m256i even = _mm256_setzero_si256();  // nodes 0, 2, …
  __m256i odd = _mm256_setzero_si256();
  for (size_t group = 0; group < groups; ++group, codes += kPqGroupBytes, table += 16) {
    const __m256i entries =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    const __m128i packed = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), nibble);
    const __m256i names = _mm256_set_m128i(high, _mm_and_si128(packed, nibble));
    const __m256i found = _mm256_shuffle_epi8(entries, names);
    even = _mm256_add_epi16(even, _mm256_and_si256(found, low_bytes));
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(found, 8));
  }
  // Within each half even and odd nodes take turns.
  const __m256i first = _mm256_unpacklo_epi16(even, odd);   // 0 to 7 and 16 to 23
  const __m256i second = _mm256_unpackhi_epi16(even, odd);  // 8 to 15 and 24 to 31
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute2x128_si256(first, second, 0x20));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), _mm256_permute2x128_si256(first, second, 0x31));
}

#endif  // __x86_64__

std::vector<PqKernels> FindKernels() {
  std::vector<PqKernels> found = {{.name = "scalar", .sums = ScalarSums}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (MayUseAvx2() && __builtin_cpu_supports("avx2")) found.push_back({.name = "avx2", .sums = Avx2Sums});
#endif
  return found;
}

}  // namespace

std::span<const PqKernels> AvailablePqKernels() {
  static const std::vector<PqKernels>& kernels = *new std::vector<PqKernels>(FindKernels());
  return kernels;
}

const PqKernels& BestPqKernels() {
  static const PqKernels& best = AvailablePqKernels().back();
  return best;
}

}  // namespace vouch
