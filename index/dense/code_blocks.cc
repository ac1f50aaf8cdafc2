#include "index/dense/code_blocks.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {

struct CodeBlocks::Kernels {
  static constexpr size_t kQuadBytes = 4 * kBlock;
  static constexpr size_t kAtOnce = 8;  // blocks, so that four values of the query serve 128 codes

  static void Scalar(const Comparison& comparison) {
    for (size_t block = 0; block < comparison.blocks; ++block) {
      int32_t sums[kBlock] = {};
      for (size_t quad = 0; quad < comparison.quads; ++quad) {
        const uint8_t* codes = comparison.codes + (block * comparison.quads + quad) * kQuadBytes;
        for (size_t i = 0; i < kQuadBytes; ++i) {
          sums[i / 4] += int32_t{codes[i]} * int32_t{comparison.query[quad * 4 + i % 4]};
        }
      }
      for (size_t i = 0; i < kBlock; ++i) {
        const float product = static_cast<float>(sums[i] - comparison.shift);
        comparison.out[block * kBlock + i] = comparison.biases[block * kBlock + i] - comparison.scale * product;
      }
    }
  }

#if defined(__x86_64__)
  static int32_t QuadOf(const int8_t* query, size_t quad) {
    int32_t values;
    std::memcpy(&values, query + quad * 4, sizeof(values));
    return values;
  }

  __attribute__((target("avx2"))) static void Avx2(const Comparison& comparison) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256 scale = _mm256_set1_ps(comparison.scale);
    const __m256i shift = _mm256_set1_epi32(comparison.shift);
    constexpr size_t kHalves = 8;
    const size_t block_bytes = comparison.quads * kQuadBytes;
    for (size_t begin = 0; begin < comparison.blocks; begin += kHalves / 2) {
      const size_t halves = comparison.blocks - begin < kHalves / 2 ? 2 * (comparison.blocks - begin) : kHalves;
      __m256i sums[kHalves];
      for (__m256i& sum : sums) sum = _mm256_setzero_si256();
      for (size_t quad = 0; quad < comparison.quads; ++quad) {
        const __m256i query = _mm256_set1_epi32(QuadOf(comparison.query, quad));
        const uint8_t* codes = comparison.codes + begin * block_bytes + quad * kQuadBytes;
        for (size_t h = 0; h < halves; ++h) {
          const auto* at = reinterpret_cast<const __m256i*>(codes + h / 2 * block_bytes + h % 2 * (kQuadBytes / 2));
          const __m256i pairs = _mm256_maddubs_epi16(_mm256_load_si256(at), query);
          sums[h] = _mm256_add_epi32(sums[h], _mm256_madd_epi16(pairs, ones));
        }
      }
      for (size_t h = 0; h < halves; ++h) {
        const size_t place = begin * kBlock + h * (kBlock / 2);
        const __m256 products = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[h], shift));
        _mm256_storeu_ps(comparison.out + place, _mm256_sub_ps(_mm256_loadu_ps(comparison.biases + place),
                                                               _mm256_mul_ps(scale, products)));
      }
    }
  }

  // The masked instruction, since GCC 12 warns of its own header's uninitialised register in the other.
  __attribute__((target("avx512f"))) static __m512 ToFloats(__m512i values) {
    return _mm512_maskz_cvtepi32_ps(0xFFFF, values);
  }

  template <size_t kBlocks>
  __attribute__((target("avx512f,avx512vnni"))) static void VnniSome(const Comparison& comparison, size_t begin) {
    const size_t block_bytes = comparison.quads * kQuadBytes;
    const uint8_t* codes = comparison.codes + begin * block_bytes;
    __m512i sums[kBlocks];
    for (__m512i& sum : sums) sum = _mm512_setzero_si512();
    for (size_t quad = 0; quad < comparison.quads; ++quad, codes += kQuadBytes) {
      const __m512i query = _mm512_set1_epi32(QuadOf(comparison.query, quad));
      for (size_t b = 0; b < kBlocks; ++b) {
        sums[b] = _mm512_dpbusd_epi32(sums[b], _mm512_load_si512(codes + b * block_bytes), query);
      }
    }
    const __m512 scale = _mm512_set1_ps(comparison.scale);
    const __m512i shift = _mm512_set1_epi32(comparison.shift);
    for (size_t b = 0; b < kBlocks; ++b) {
      const size_t place = (begin + b) * kBlock;
      const __m512 products = ToFloats(_mm512_sub_epi32(sums[b], shift));
      _mm512_storeu_ps(comparison.out + place,
                       _mm512_sub_ps(_mm512_loadu_ps(comparison.biases + place), _mm512_mul_ps(scale, products)));
    }
  }

  __attribute__((target("avx512f,avx512vnni"))) static void Vnni(const Comparison& comparison) {
    size_t begin = 0;
    for (; begin + kAtOnce <= comparison.blocks; begin += kAtOnce) VnniSome<kAtOnce>(comparison, begin);
    for (; begin < comparison.blocks; ++begin) VnniSome<1>(comparison, begin);
  }
#endif  // __x86_64__
};

std::span<const CodeBlocks::Kernel> CodeBlocks::AvailableKernels() {
  static const std::vector<Kernel>& kernels = *[] {
    auto* found = new std::vector<Kernel>{{.name = "scalar", .keys = Kernels::Scalar}};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) found->push_back({.name = "avx2", .keys = Kernels::Avx2});
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni")) {
      found->push_back({.name = "avx512-vnni", .keys = Kernels::Vnni});
    }
#endif
    return found;
  }();
  return kernels;
}

CodeBlocks::CodeBlocks(const VectorCodes& codes, const uint8_t* records, uint32_t count)
    : count_(count),
      quads_((codes.code_dim() + 3) / 4),
      codes_((count + kBlock - 1) / kBlock * kBlock * quads_ * 4),
      biases_((count + kBlock - 1) / kBlock * kBlock) {
  if (codes_.data() == nullptr) return;
  std::memset(codes_.data(), 0, codes_.size());
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* record = records + size_t{i} * codes.stride();
    char* block = codes_.data() + i / kBlock * kBlock * quads_ * 4;
    for (size_t quad = 0; quad < quads_; ++quad) {
      std::memcpy(block + (quad * kBlock + i % kBlock) * 4, record + quad * 4, 4);
    }
    std::memcpy(&biases_[i], record + codes.stride() - sizeof(float), sizeof(float));
  }
}

std::span<const float> CodeBlocks::Keys(const CodeQuery& query, std::vector<float>& scratch) const {
  static const Kernel& best = AvailableKernels().back();
  return KeysBy(best, query, scratch);
}

std::span<const float> CodeBlocks::KeysBy(const Kernel& kernel, const CodeQuery& query, std::vector<float>& scratch) const {
  scratch.resize(biases_.size());
  kernel.keys({.codes = reinterpret_cast<const uint8_t*>(codes_.data()),
               .biases = biases_.data(),
               .blocks = biases_.size() / kBlock,
               .quads = quads_,
               .query = query.values.data(),
               .scale = query.scale,
               .shift = query.shift,
               .out = scratch.data()});
  return std::span<const float>(scratch).first(count_);
}

}  // namespace vouch
