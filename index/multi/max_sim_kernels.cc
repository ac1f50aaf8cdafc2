#include "index/multi/max_sim_kernels.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "index/dense/kernels.h"

namespace vouch {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = MaxSimKernels::kBlock;

// --- scalar: one product after the other, as dense/kernels.h defines them ---

void ScalarBest(const float* query, size_t query_tokens, const float* document, size_t document_tokens, size_t dim,
                float* best) {
  const DistanceKernels& kernels = AvailableKernels()[0];
  for (size_t j = 0; j < document_tokens; ++j) {
    for (size_t i = 0; i < query_tokens; ++i) {
      const float product = -kernels.negative_ip(query + i * dim, document + j * dim, dim);
      best[i] = std::max(best[i], product);
    }
  }
}

#if defined(__x86_64__)

// Where a block's document tokens lie: past the last one it is that one again, which changes no maximum.
template <size_t kTokens>
inline void FindTokens(const float* document, size_t first, size_t document_tokens, size_t dim,
                       const float* tokens[kTokens]) {
  for (size_t t = 0; t < kTokens; ++t) tokens[t] = document + std::min(first + t, document_tokens - 1) * dim;
}

// --- AVX2: two query tokens by two of the document, each product's lanes 0 to 7 and 8 to 15 in two registers ---

#define VOUCH_AVX2 __attribute__((target("avx2"), always_inline)) inline
#define VOUCH_AVX2_ENTRY __attribute__((target("avx2")))

// Sixteen set masks, then sixteen clear ones: loaded at (16 - n) they take the first n lanes.
alignas(64) constexpr int32_t kTailMasks[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                                -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                                0,  0,  0,  0,  0,  0,  0,  0,  0,  0};

struct Lanes256 {
  __m256 low;
  __m256 high;
};

VOUCH_AVX2 void Accumulate256(const Lanes256& a, const Lanes256& b, Lanes256& sum) {
  sum.low = _mm256_add_ps(sum.low, _mm256_mul_ps(a.low, b.low));
  sum.high = _mm256_add_ps(sum.high, _mm256_mul_ps(a.high, b.high));
}

// The sums of (query 0, token 0), (query 0, token 1), (query 1, token 0), (query 1, token 1), each in the order of
// Reduce256 in dense/kernels.cc, all four at once; of each query the greater.
VOUCH_AVX2 __m128 Greatest256(const Lanes256 sums[4]) {
  __m256 eight[4];
  for (size_t i = 0; i < 4; ++i) eight[i] = _mm256_add_ps(sums[i].low, sums[i].high);
  __m256 four[2];  // of one query: token 0 in the low half, token 1 in the high half
  for (size_t q = 0; q < 2; ++q) {
    four[q] = _mm256_add_ps(_mm256_permute2f128_ps(eight[2 * q], eight[2 * q + 1], 0x20),
                            _mm256_permute2f128_ps(eight[2 * q], eight[2 * q + 1], 0x31));
  }
  const __m256 two =
      _mm256_add_ps(_mm256_shuffle_ps(four[0], four[1], 0x44), _mm256_shuffle_ps(four[0], four[1], 0xEE));
  const __m256 one = _mm256_add_ps(_mm256_shuffle_ps(two, two, 0x88), _mm256_shuffle_ps(two, two, 0xDD));
  // Of two values the second is taken where either is NaN: so NaN goes first.
  const __m128 low = _mm256_castps256_ps128(one);
  const __m128 high = _mm256_extractf128_ps(one, 1);
  const __m128 least = _mm_set1_ps(-__builtin_inff());
  return _mm_max_ps(high, _mm_max_ps(low, least));
}

VOUCH_AVX2 __m128 Products256(const float* query, const float* const tokens[2], size_t dim) {
  Lanes256 sums[4];
  for (Lanes256& sum : sums) sum = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    Lanes256 q[2];
    for (size_t n = 0; n < 2; ++n) q[n] = {_mm256_loadu_ps(query + n * dim + i), _mm256_loadu_ps(query + n * dim + i + 8)};
    for (size_t t = 0; t < 2; ++t) {
      const Lanes256 d = {_mm256_loadu_ps(tokens[t] + i), _mm256_loadu_ps(tokens[t] + i + 8)};
      for (size_t n = 0; n < 2; ++n) Accumulate256(q[n], d, sums[2 * n + t]);
    }
  }
  if (i < dim) {
    const int32_t* mask = kTailMasks + kLanes - (dim - i);
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask + 8));
    for (size_t t = 0; t < 2; ++t) {
      const Lanes256 d = {_mm256_maskload_ps(tokens[t] + i, low), _mm256_maskload_ps(tokens[t] + i + 8, high)};
      for (size_t n = 0; n < 2; ++n) {
        const float* at = query + n * dim + i;
        Accumulate256({_mm256_maskload_ps(at, low), _mm256_maskload_ps(at + 8, high)}, d, sums[2 * n + t]);
      }
    }
  }
  return Greatest256(sums);
}

VOUCH_AVX2_ENTRY void Best256(const float* query, size_t query_tokens, const float* document, size_t document_tokens,
                              size_t dim, float* best) {
  for (size_t first = 0; first < document_tokens; first += 2) {
    const float* tokens[2];
    FindTokens<2>(document, first, document_tokens, dim, tokens);
    for (size_t i = 0; i < query_tokens; i += 2) {
      const __m128 greatest = Products256(query + i * dim, tokens, dim);
      best[i] = std::max(best[i], _mm_cvtss_f32(greatest));
      best[i + 1] = std::max(best[i + 1], _mm_cvtss_f32(_mm_shuffle_ps(greatest, greatest, 1)));
    }
  }
}

// --- AVX-512: four query tokens by four of the document, all sixteen lanes of a product in one register ---

#define VOUCH_AVX512 __attribute__((target("avx512f"), always_inline)) inline
#define VOUCH_AVX512_ENTRY __attribute__((target("avx512f")))

// Builtins instead of intrinsics where GCC 12 warns of its own headers' uninitialised registers. Each adds two halves of what
// is left of a sum, for two registers at once: quarters of 128 bits first, then pairs in them, then their elements.

VOUCH_AVX512 __m512 AddEights(__m512 a, __m512 b) {  // [a: 8, b: 8]
  return _mm512_add_ps(__builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
                       __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
}
VOUCH_AVX512 __m512 AddFours(__m512 a, __m512 b) {  // [a0: 4, a1: 4, b0: 4, b1: 4]
  return _mm512_add_ps(__builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
                       __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31));
}
VOUCH_AVX512 __m512 AddTwos(__m512 a, __m512 b) {  // in each quarter [a: 2, b: 2]
  return _mm512_add_ps(__builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
                       __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31));
}
VOUCH_AVX512 __m512 AddOnes(__m512 a, __m512 b) {  // in each quarter [a0, a1, b0, b1]
  return _mm512_add_ps(__builtin_shufflevector(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30),
                       __builtin_shufflevector(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31));
}

// `sums[4 * q + t]` is that of query q and token t. Gives the greatest of each query.
VOUCH_AVX512 __m128 Greatest512(const __m512 sums[16]) {
  __m512 of_query[4];  // a quarter for each token
  for (size_t q = 0; q < 4; ++q) {
    of_query[q] = AddFours(AddEights(sums[4 * q], sums[4 * q + 1]), AddEights(sums[4 * q + 2], sums[4 * q + 3]));
  }
  const __m512 all = AddOnes(AddTwos(of_query[0], of_query[1]), AddTwos(of_query[2], of_query[3]));
  __m128 greatest = _mm_set1_ps(-__builtin_inff());
  // Of two values the second is taken where either is NaN: so NaN goes first.
  greatest = _mm_max_ps(__builtin_shufflevector(all, all, 0, 1, 2, 3), greatest);
  greatest = _mm_max_ps(__builtin_shufflevector(all, all, 4, 5, 6, 7), greatest);
  greatest = _mm_max_ps(__builtin_shufflevector(all, all, 8, 9, 10, 11), greatest);
  return _mm_max_ps(__builtin_shufflevector(all, all, 12, 13, 14, 15), greatest);
}

VOUCH_AVX512 __m128 Products512(const float* query, const float* const tokens[4], size_t dim) {
  __m512 sums[16];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    __m512 q[4];
    for (size_t n = 0; n < 4; ++n) q[n] = _mm512_loadu_ps(query + n * dim + i);
    for (size_t t = 0; t < 4; ++t) {
      const __m512 d = _mm512_loadu_ps(tokens[t] + i);
      for (size_t n = 0; n < 4; ++n) sums[4 * n + t] = _mm512_add_ps(sums[4 * n + t], _mm512_mul_ps(q[n], d));
    }
  }
  if (i < dim) {
    const auto mask = static_cast<__mmask16>((1u << (dim - i)) - 1);
    __m512 q[4];
    for (size_t n = 0; n < 4; ++n) q[n] = _mm512_maskz_loadu_ps(mask, query + n * dim + i);
    for (size_t t = 0; t < 4; ++t) {
      const __m512 d = _mm512_maskz_loadu_ps(mask, tokens[t] + i);
      for (size_t n = 0; n < 4; ++n) sums[4 * n + t] = _mm512_add_ps(sums[4 * n + t], _mm512_mul_ps(q[n], d));
    }
  }
  return Greatest512(sums);
}

VOUCH_AVX512_ENTRY void Best512(const float* query, size_t query_tokens, const float* document,
                                size_t document_tokens, size_t dim, float* best) {
  for (size_t first = 0; first < document_tokens; first += kBlock) {
    const float* tokens[kBlock];
    FindTokens<kBlock>(document, first, document_tokens, dim, tokens);
    for (size_t i = 0; i < query_tokens; i += kBlock) {
      const __m128 greatest = Products512(query + i * dim, tokens, dim);
      _mm_storeu_ps(best + i, _mm_max_ps(greatest, _mm_loadu_ps(best + i)));
    }
  }
}

#endif  // __x86_64__

std::vector<MaxSimKernels> FindKernels() {
  std::vector<MaxSimKernels> found = {{.name = "scalar", .best = ScalarBest}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) found.push_back({.name = "avx2", .best = Best256});
  if (__builtin_cpu_supports("avx512f")) found.push_back({.name = "avx512", .best = Best512});
#endif
  return found;
}

}  // namespace

std::span<const MaxSimKernels> AvailableMaxSimKernels() {
  static const std::vector<MaxSimKernels>& kernels = *new std::vector<MaxSimKernels>(FindKernels());
  return kernels;
}

const MaxSimKernels& BestMaxSimKernels() {
  static const MaxSimKernels& best = AvailableMaxSimKernels().back();
  return best;
}

}  // namespace vouch
