#include "index/dense/node_filter.h"

#include "index/simd_limit.h"

#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

size_t ScalarFilter(const uint64_t* bits, const uint32_t* nodes, size_t count, uint32_t* out) {
  size_t kept = 0;
  for (size_t i = 0; i < count; ++i) {
    out[kept] = nodes[i];
    kept += (bits[nodes[i] >> 6] >> (nodes[i] & 63)) & 1;
  }
  return kept;
}

#if defined(__x86_64__)

__attribute__((target("avx512f,popcnt"))) size_t Avx512Filter(const uint64_t* bits,
                                                              const uint32_t* nodes, size_t count,
                                                              uint32_t* out) {
  const __m512i low_five = _mm512_set1_epi32(31);
  const __m512i one = _mm512_set1_epi32(1);
  size_t kept = 0;
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 there =
        count - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (count - i)) - 1);
    const __m512i sixteen = _mm512_maskz_loadu_epi32(there, nodes + i);
    const __m512i words = _mm512_mask_i32gather_epi32(
        _mm512_setzero_si512(), there, _mm512_maskz_srli_epi32(there, sixteen, 5), bits, 4);
    const __m512i bit =
        _mm512_maskz_sllv_epi32(there, one, _mm512_maskz_and_epi32(there, sixteen, low_five));
    const __mmask16 set = _mm512_mask_test_epi32_mask(there, words, bit);
    _mm512_storeu_si512(out + kept, _mm512_maskz_compress_epi32(set, sixteen));
    kept += static_cast<size_t>(__builtin_popcount(set));
  }
  return kept;
}

#endif  // __x86_64__

std::vector<NodeFilter> FindFilters() {
  std::vector<NodeFilter> found = {ScalarFilter};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (MayUseAvx512() && __builtin_cpu_supports("avx512f")) found.push_back(Avx512Filter);
#endif
  return found;
}

}  // namespace

std::span<const NodeFilter> AvailableNodeFilters() {
  static const std::vector<NodeFilter>& filters = *new std::vector<NodeFilter>(FindFilters());
  return filters;
}

NodeFilter BestNodeFilter() {
  static const NodeFilter best = AvailableNodeFilters().back();
  return best;
}

}  // namespace vouch
