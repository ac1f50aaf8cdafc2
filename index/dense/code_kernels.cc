#include "index/dense/code_kernels.h"

#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

int32_t ScalarOne(const uint8_t* code, const int8_t* query, size_t stride) {
  int32_t sum = 0;
  for (size_t i = 0; i < stride; ++i) sum += int32_t{code[i]} * int32_t{query[i]};
  return sum;
}

void ScalarFour(const uint8_t* const codes[4], const int8_t* query, size_t stride, int32_t out[4]) {
  for (size_t i = 0; i < 4; ++i) out[i] = ScalarOne(codes[i], query, stride);
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

VOUCH_AVX2_CODE __m256i Accumulate256(__m256i sum, const uint8_t* code, __m256i query) {
  const __m256i pairs = _mm256_maddubs_epi16(Load256(code), query);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

VOUCH_AVX2_CODE_ENTRY int32_t Avx2One(const uint8_t* code, const int8_t* query, size_t stride) {
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < stride; i += 32) sum = Accumulate256(sum, code + i, Load256(query + i));
  return Reduce256(sum);
}

VOUCH_AVX2_CODE_ENTRY void Avx2Four(const uint8_t* const codes[4], const int8_t* query, size_t stride,
                                    int32_t out[4]) {
  __m256i sums[4];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (size_t i = 0; i < stride; i += 32) {
    const __m256i values = Load256(query + i);
    for (size_t r = 0; r < 4; ++r) sums[r] = Accumulate256(sums[r], codes[r] + i, values);
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), ReduceFour256(sums));
}

#define VOUCH_VNNI_CODE_ENTRY __attribute__((target("avx2,avx512f,avx512vl,avx512vnni")))

VOUCH_VNNI_CODE_ENTRY int32_t VnniOne(const uint8_t* code, const int8_t* query, size_t stride) {
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < stride; i += 32) sum = _mm256_dpbusd_epi32(sum, Load256(code + i), Load256(query + i));
  return Reduce256(sum);
}

VOUCH_VNNI_CODE_ENTRY void VnniFour(const uint8_t* const codes[4], const int8_t* query, size_t stride,
                                    int32_t out[4]) {
  __m256i sums[4];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (size_t i = 0; i < stride; i += 32) {
    const __m256i values = Load256(query + i);
    for (size_t r = 0; r < 4; ++r) sums[r] = _mm256_dpbusd_epi32(sums[r], Load256(codes[r] + i), values);
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), ReduceFour256(sums));
}

#endif  // __x86_64__

std::vector<CodeKernels> FindKernels() {
  std::vector<CodeKernels> found = {{.name = "scalar", .one = ScalarOne, .four = ScalarFour}};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) found.push_back({.name = "avx2", .one = Avx2One, .four = Avx2Four});
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl")) {
    found.push_back({.name = "avx512-vnni", .one = VnniOne, .four = VnniFour});
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
