#include "index/inverted/bm25_kernel.h"

#include "index/simd_limit.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {

void ScalarBm25Kernel(const Bm25TermKernel& term, const uint32_t* rows, const uint32_t* frequencies,
                      uint32_t count, double* out) {
  for (uint32_t i = 0; i < count; ++i) out[i] = term.Of(frequencies[i], term.lengths[rows[i]]);
}

#if defined(__x86_64__)
namespace {

__attribute__((target("avx2"))) void Avx2(const Bm25TermKernel& term, const uint32_t* rows,
                                          const uint32_t* frequencies, uint32_t count,
                                          double* out) {
  const __m256d weight = _mm256_set1_pd(term.weight);
  const __m256d k1_plus_1 = _mm256_set1_pd(term.k1 + 1);
  const __m128i last = _mm_set1_epi32(Bm25TermKernel::kTableLengths - 1);
  const __m256d all = _mm256_castsi256_pd(_mm256_set1_epi64x(-1));
  const auto* lengths = reinterpret_cast<const int*>(term.lengths);
  uint32_t i = 0;
  for (; i + 4 <= count; i += 4) {
    // Rows are below 2^31 (Segment::kMaxRows), so that they are good as signed offsets.
    const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + i));
    const __m128i length =
        _mm_mask_i32gather_epi32(_mm_setzero_si128(), lengths, row, _mm_set1_epi32(-1), 4);
    const __m128i frequency = _mm_loadu_si128(reinterpret_cast<const __m128i*>(frequencies + i));
    const __m128i in_table = _mm_cmpeq_epi32(_mm_min_epu32(length, last), length);
    const __m128i small =
        _mm_andnot_si128(frequency, in_table);  // sign bits: in the table, and below 2^31
    if (_mm_movemask_ps(_mm_castsi128_ps(small)) != 15) {
      ScalarBm25Kernel(term, rows + i, frequencies + i, 4, out + i);
      continue;
    }
    const __m256d norm = _mm256_mask_i32gather_pd(_mm256_setzero_pd(), term.norms, length, all, 8);
    const __m256d tf = _mm256_cvtepi32_pd(frequency);
    const __m256d top = _mm256_mul_pd(_mm256_mul_pd(weight, tf), k1_plus_1);
    _mm256_storeu_pd(out + i, _mm256_div_pd(top, _mm256_add_pd(tf, norm)));
  }
  ScalarBm25Kernel(term, rows + i, frequencies + i, count - i, out + i);
}

}  // namespace

Bm25Kernel Avx2Bm25Kernel() { return MayUseAvx2() && __builtin_cpu_supports("avx2") ? Avx2 : nullptr; }
#else
Bm25Kernel Avx2Bm25Kernel() { return nullptr; }
#endif

Bm25Kernel BestBm25Kernel() {
  static const Bm25Kernel best = Avx2Bm25Kernel() != nullptr ? Avx2Bm25Kernel() : ScalarBm25Kernel;
  return best;
}

}  // namespace vouch
