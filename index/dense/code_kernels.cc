#include "index/dense/code_kernels.h"

#include "index/simd_limit.h"

#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

float BiasOf(const CodeComparison& comparison, uint32_t node) {
  float bias;
  std::memcpy(&bias, comparison.records + (size_t{node} + 1) * comparison.stride - sizeof(bias), sizeof(bias));
  return bias;
}

float KeyOf(const CodeComparison& comparison, uint32_t node, int32_t product) {
  return BiasOf(comparison, node) - comparison.scale * static_cast<float>(product - comparison.shift);
}

void ScalarKeys(const CodeComparison& comparison, const uint32_t* nodes, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* code = comparison.records + size_t{nodes[i]} * comparison.stride;
    int32_t sum = 0;
    for (size_t j = 0; j < comparison.stride; ++j) sum += int32_t{code[j]} * int32_t{comparison.query[j]};
    out[i] = KeyOf(comparison, nodes[i], sum);
  }
}

#if defined(__x86_64__)

#define VOUCH_AVX2_CODE __attribute__((target("avx2"), always_inline)) inline
#define VOUCH_AVX2_CODE_ENTRY __attribute__((target("avx2")))

VOUCH_AVX2_CODE __m256i Load256(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

VOUCH_AVX2_CODE int32_t Reduce256(__m256i sum) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  four = _mm_hadd_epi32(four, four);
  return _mm_cvtsi128_si32(_mm_hadd_epi32(four, four));
}

// The four sums of four registers of eight.
VOUCH_AVX2_CODE __m128i ReduceFour256(const __m256i sums[4]) {
  const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
  return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

// The keys of four nodes by their inner products.
VOUCH_AVX2_CODE void StoreKeys(const CodeComparison& comparison, const uint32_t* nodes, __m128i products, float* out) {
  const __m128 shifted = _mm_cvtepi32_ps(_mm_sub_epi32(products, _mm_set1_epi32(comparison.shift)));
  const __m128 biases = _mm_setr_ps(BiasOf(comparison, nodes[0]), BiasOf(comparison, nodes[1]),
                                    BiasOf(comparison, nodes[2]), BiasOf(comparison, nodes[3]));
  _mm_storeu_ps(out, _mm_sub_ps(biases, _mm_mul_ps(_mm_set1_ps(comparison.scale), shifted)));
}

VOUCH_AVX2_CODE __m256i Accumulate256(__m256i sum, const uint8_t* code, __m256i query) {
  const __m256i pairs = _mm256_maddubs_epi16(Load256(code), query);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

VOUCH_AVX2_CODE_ENTRY void Avx2Keys(const CodeComparison& comparison, const uint32_t* nodes, size_t count, float* out) {
  const size_t stride = comparison.stride;
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const uint8_t* codes[4];
    for (size_t r = 0; r < 4; ++r) codes[r] = comparison.records + size_t{nodes[i + r]} * stride;
    __m256i sums[4];
    for (__m256i& sum : sums) sum = _mm256_setzero_si256();
    for (size_t j = 0; j < stride; j += 32) {
      const __m256i values = Load256(comparison.query + j);
      for (size_t r = 0; r < 4; ++r) sums[r] = Accumulate256(sums[r], codes[r] + j, values);
    }
    StoreKeys(comparison, nodes + i, ReduceFour256(sums), out + i);
  }
  for (; i < count; ++i) {
    const uint8_t* code = comparison.records + size_t{nodes[i]} * stride;
    __m256i sum = _mm256_setzero_si256();
    for (size_t j = 0; j < stride; j += 32) sum = Accumulate256(sum, code + j, Load256(comparison.query + j));
    out[i] = KeyOf(comparison, nodes[i], Reduce256(sum));
  }
}

#define VOUCH_VNNI_CODE __attribute__((target("avx2,avx512f,avx512vl,avx512vnni"), always_inline)) inline
#define VOUCH_VNNI_CODE_ENTRY __attribute__((target("avx2,avx512f,avx512vl,avx512vnni")))

VOUCH_VNNI_CODE __m256i Fold512(__m512i sum) {
  // The builtin, since GCC 12 warns of its own header's uninitialised register in _mm512_extracti64x4_epi64.
  const __m256i low = __builtin_shufflevector(sum, sum, 0, 1, 2, 3);
  const __m256i high = __builtin_shufflevector(sum, sum, 4, 5, 6, 7);
  return _mm256_add_epi32(low, high);
}

// Strides that are multiples of 64.
VOUCH_VNNI_CODE void VnniKeysOfLines(const CodeComparison& comparison, size_t stride, const uint32_t* nodes, size_t count,
                                     float* out) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const uint8_t* codes[4];
    for (size_t r = 0; r < 4; ++r) codes[r] = comparison.records + size_t{nodes[i + r]} * stride;
    __m512i sums[4];
    for (__m512i& sum : sums) sum = _mm512_setzero_si512();
    for (size_t j = 0; j < stride; j += 64) {
      const __m512i values = _mm512_loadu_si512(comparison.query + j);
      for (size_t r = 0; r < 4; ++r) sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_loadu_si512(codes[r] + j), values);
    }
    const __m256i folded[4] = {Fold512(sums[0]), Fold512(sums[1]), Fold512(sums[2]), Fold512(sums[3])};
    StoreKeys(comparison, nodes + i, ReduceFour256(folded), out + i);
  }
  for (; i < count; ++i) {
    const uint8_t* code = comparison.records + size_t{nodes[i]} * stride;
    __m512i sum = _mm512_setzero_si512();
    for (size_t j = 0; j < stride; j += 64) {
      sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(code + j), _mm512_loadu_si512(comparison.query + j));
    }
    out[i] = KeyOf(comparison, nodes[i], Reduce256(Fold512(sum)));
  }
}

VOUCH_VNNI_CODE_ENTRY void VnniKeys(const CodeComparison& comparison, const uint32_t* nodes, size_t count, float* out) {
  if (comparison.stride == 64) return VnniKeysOfLines(comparison, 64, nodes, count, out);
  if (comparison.stride % 64 == 0) return VnniKeysOfLines(comparison, comparison.stride, nodes, count, out);
  const size_t stride = comparison.stride;
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const uint8_t* codes[4];
    for (size_t r = 0; r < 4; ++r) codes[r] = comparison.records + size_t{nodes[i + r]} * stride;
    __m256i sums[4];
    for (__m256i& sum : sums) sum = _mm256_setzero_si256();
    for (size_t j = 0; j < stride; j += 32) {
      const __m256i values = Load256(comparison.query + j);
      for (size_t r = 0; r < 4; ++r) sums[r] = _mm256_dpbusd_epi32(sums[r], Load256(codes[r] + j), values);
    }
    StoreKeys(comparison, nodes + i, ReduceFour256(sums), out + i);
  }
  for (; i < count; ++i) {
    const uint8_t* code = comparison.records + size_t{nodes[i]} * stride;
    __m256i sum = _mm256_setzero_si256();
    for (size_t j = 0; j < stride; j += 32) {
      sum = _mm256_dpbusd_epi32(sum, Load256(code + j), Load256(comparison.query + j));
    }
    out[i] = KeyOf(comparison, nodes[i], Reduce256(sum));
  }
}

#endif  // __x86_64__

std::vector<CodeKernels> FindKernels() {
  std::vector<CodeKernels> found = {{.name = "scalar", .keys = ScalarKeys}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (MayUseAvx2() && __builtin_cpu_supports("avx2")) found.push_back({.name = "avx2", .keys = Avx2Keys});
  if (MayUseAvx512() && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl")) {
    found.push_back({.name = "avx512-vnni", .keys = VnniKeys});
  }
#endif
  return found;
}

}  // namespace

std::span<const CodeKernels> AvailableCodeKernels() {
  static const std::vector<CodeKernels>& kernels = *new std::vector<CodeKernels>(FindKernels());
  return kernels;
}

const CodeKernels& BestCodeKernels() {
  static const CodeKernels& best = AvailableCodeKernels().back();
  return best;
}

}  // namespace vouch
