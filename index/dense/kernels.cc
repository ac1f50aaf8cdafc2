#include "index/dense/kernels.h"

#include "index/simd_limit.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

constexpr size_t kLanes = 16;

inline float Clean(float distance) {
  return std::isnan(distance) ? std::numeric_limits<float>::infinity() : distance;
}

// --- scalar: the definition ---

float ReduceLanes(std::array<float, kLanes>& lanes) {
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) lanes[j] = lanes[j] + lanes[j + width];
  }
  return lanes[0];
}

float ScalarL2(const float* a, const float* b, size_t dim) {
  std::array<float, kLanes> lanes{};
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) {
      const float difference = a[i + j] - b[i + j];
      lanes[j] += difference * difference;
    }
  }
  for (size_t j = 0; i + j < dim; ++j) {
    const float difference = a[i + j] - b[i + j];
    lanes[j] += difference * difference;
  }
  return Clean(ReduceLanes(lanes));
}

float ScalarNegativeIp(const float* a, const float* b, size_t dim) {
  std::array<float, kLanes> lanes{};
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) lanes[j] += a[i + j] * b[i + j];
  }
  for (size_t j = 0; i + j < dim; ++j) lanes[j] += a[i + j] * b[i + j];
  return Clean(-ReduceLanes(lanes));
}

template <DistanceKernels::One kOne>
void FourByOne(const float* query, const float* const rows[4], size_t dim, float out[4]) {
  for (size_t i = 0; i < 4; ++i) out[i] = kOne(query, rows[i], dim);
}

#if defined(__x86_64__)

// --- AVX2: lanes 0 to 7 and 8 to 15 in two registers ---

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

template <bool kL2>
VOUCH_AVX2 void Accumulate256(__m256 a_low, __m256 a_high, __m256 b_low, __m256 b_high, Lanes256& sum) {
  if constexpr (kL2) {
    const __m256 low = _mm256_sub_ps(a_low, b_low);
    const __m256 high = _mm256_sub_ps(a_high, b_high);
    sum.low = _mm256_add_ps(sum.low, _mm256_mul_ps(low, low));
    sum.high = _mm256_add_ps(sum.high, _mm256_mul_ps(high, high));
  } else {
    sum.low = _mm256_add_ps(sum.low, _mm256_mul_ps(a_low, b_low));
    sum.high = _mm256_add_ps(sum.high, _mm256_mul_ps(a_high, b_high));
  }
}

VOUCH_AVX2 float Reduce256(const Lanes256& sum) {
  const __m256 eight = _mm256_add_ps(sum.low, sum.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

template <bool kL2, size_t kRows>
VOUCH_AVX2 void Distances256(const float* query, const float* const* rows, size_t dim, float* out) {
  Lanes256 sums[kRows];
  for (size_t r = 0; r < kRows; ++r) sums[r] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const __m256 q_low = _mm256_loadu_ps(query + i);
    const __m256 q_high = _mm256_loadu_ps(query + i + 8);
    for (size_t r = 0; r < kRows; ++r) {
      Accumulate256<kL2>(q_low, q_high, _mm256_loadu_ps(rows[r] + i), _mm256_loadu_ps(rows[r] + i + 8), sums[r]);
    }
  }
  if (i < dim) {
    const int32_t* mask = kTailMasks + kLanes - (dim - i);
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask + 8));
    const __m256 q_low = _mm256_maskload_ps(query + i, low);
    const __m256 q_high = _mm256_maskload_ps(query + i + 8, high);
    for (size_t r = 0; r < kRows; ++r) {
      Accumulate256<kL2>(q_low, q_high, _mm256_maskload_ps(rows[r] + i, low),
                         _mm256_maskload_ps(rows[r] + i + 8, high), sums[r]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    const float sum = Reduce256(sums[r]);
    out[r] = Clean(kL2 ? sum : -sum);
  }
}

template <bool kL2>
VOUCH_AVX2_ENTRY float One256(const float* a, const float* b, size_t dim) {
  float out;
  Distances256<kL2, 1>(a, &b, dim, &out);
  return out;
}

template <bool kL2>
VOUCH_AVX2_ENTRY void Four256(const float* query, const float* const rows[4], size_t dim, float out[4]) {
  Distances256<kL2, 4>(query, rows, dim, out);
}

// --- AVX-512: all sixteen lanes in one register ---

#define VOUCH_AVX512 __attribute__((target("avx512f"), always_inline)) inline
#define VOUCH_AVX512_ENTRY __attribute__((target("avx512f")))

template <bool kL2>
VOUCH_AVX512 __m512 Accumulate512(__m512 a, __m512 b, __m512 sum) {
  if constexpr (kL2) {
    const __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_add_ps(sum, _mm512_mul_ps(difference, difference));
  } else {
    return _mm512_add_ps(sum, _mm512_mul_ps(a, b));
  }
}

VOUCH_AVX512 float Reduce512(__m512 sum) {
  // The builtin, since GCC 12 warns of its own header's uninitialised register in _mm512_extractf64x4_pd.
  const __m256 low = __builtin_shufflevector(sum, sum, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m256 high = __builtin_shufflevector(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m256 eight = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

template <bool kL2, size_t kRows>
VOUCH_AVX512 void Distances512(const float* query, const float* const* rows, size_t dim, float* out) {
  __m512 sums[kRows];
  for (size_t r = 0; r < kRows; ++r) sums[r] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + kLanes <= dim; i += kLanes) {
    const __m512 q = _mm512_loadu_ps(query + i);
    for (size_t r = 0; r < kRows; ++r) sums[r] = Accumulate512<kL2>(q, _mm512_loadu_ps(rows[r] + i), sums[r]);
  }
  if (i < dim) {
    const auto mask = static_cast<__mmask16>((1u << (dim - i)) - 1);
    const __m512 q = _mm512_maskz_loadu_ps(mask, query + i);
    for (size_t r = 0; r < kRows; ++r) {
      sums[r] = Accumulate512<kL2>(q, _mm512_maskz_loadu_ps(mask, rows[r] + i), sums[r]);
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    const float sum = Reduce512(sums[r]);
    out[r] = Clean(kL2 ? sum : -sum);
  }
}

template <bool kL2>
VOUCH_AVX512_ENTRY float One512(const float* a, const float* b, size_t dim) {
  float out;
  Distances512<kL2, 1>(a, &b, dim, &out);
  return out;
}

template <bool kL2>
VOUCH_AVX512_ENTRY void Four512(const float* query, const float* const rows[4], size_t dim, float out[4]) {
  Distances512<kL2, 4>(query, rows, dim, out);
}

#endif  // __x86_64__

std::vector<DistanceKernels> FindKernels() {
  std::vector<DistanceKernels> found = {{
      .name = "scalar",
      .l2 = ScalarL2,
      .negative_ip = ScalarNegativeIp,
      .l2_four = FourByOne<ScalarL2>,
      .negative_ip_four = FourByOne<ScalarNegativeIp>,
  }};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (MayUseAvx2() && __builtin_cpu_supports("avx2")) {
    found.push_back({.name = "avx2",
                     .l2 = One256<true>,
                     .negative_ip = One256<false>,
                     .l2_four = Four256<true>,
                     .negative_ip_four = Four256<false>});
  }
  if (MayUseAvx512() && __builtin_cpu_supports("avx512f")) {
    found.push_back({.name = "avx512",
                     .l2 = One512<true>,
                     .negative_ip = One512<false>,
                     .l2_four = Four512<true>,
                     .negative_ip_four = Four512<false>});
  }
#endif
  return found;
}

}  // namespace

std::span<const DistanceKernels> AvailableKernels() {
  static const std::vector<DistanceKernels>& kernels = *new std::vector<DistanceKernels>(FindKernels());
  return kernels;
}

const DistanceKernels& BestKernels() {
  static const DistanceKernels& best = AvailableKernels().back();
  return best;
}

bool NormalizeVector(std::span<float> vector) {
  double squares = 0;
  for (float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  if (!(squares > 0) || !std::isfinite(squares)) return false;
  const double length = std::sqrt(squares);
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) / length);
  return true;
}

}  // namespace vouch
