#include "index/dense/cell_order.h"

#include "index/simd_limit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vouch {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

size_t ScalarRange(const float* keys, size_t count, float above, float high, uint32_t* out) {
  size_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    out[found] = static_cast<uint32_t>(i);
    const auto over = static_cast<unsigned>(!(keys[i] <= above));
    const auto within =
        static_cast<unsigned>(keys[i] <= high) | static_cast<unsigned>(high == kInfinity);
    found += over & within;
  }
  return found;
}

#if defined(__x86_64__)

__attribute__((target("avx512f,popcnt"))) size_t Avx512Range(const float* keys, size_t count,
                                                             float above, float high,
                                                             uint32_t* out) {
  const __m512 low_bound = _mm512_set1_ps(above);
  const __m512 high_bound = _mm512_set1_ps(high);
  __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  size_t found = 0;
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 there =
        count - i >= 16 ? 0xFFFF : static_cast<__mmask16>((1u << (count - i)) - 1);
    const __m512 sixteen = _mm512_maskz_loadu_ps(there, keys + i);
    const __mmask16 over = _mm512_mask_cmp_ps_mask(there, sixteen, low_bound, _CMP_NLE_UQ);
    const __mmask16 within =
        high == kInfinity ? over : _mm512_mask_cmp_ps_mask(over, sixteen, high_bound, _CMP_LE_OQ);
    _mm512_storeu_si512(out + found, _mm512_maskz_compress_epi32(within, places));
    found += static_cast<size_t>(__builtin_popcount(within));
    places = _mm512_add_epi32(places, _mm512_set1_epi32(16));
  }
  return found;
}

#endif  // __x86_64__

std::vector<KeyRange> FindRanges() {
  std::vector<KeyRange> found = {ScalarRange};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (MayUseAvx512() && __builtin_cpu_supports("avx512f")) found.push_back(Avx512Range);
#endif
  return found;
}

}  // namespace

std::span<const KeyRange> AvailableKeyRanges() {
  static const std::vector<KeyRange>& ranges = *new std::vector<KeyRange>(FindRanges());
  return ranges;
}

KeyRange BestKeyRange() {
  static const KeyRange best = AvailableKeyRanges().back();
  return best;
}

void KeyOrder::Begin(std::span<const float> keys) {
  keys_ = keys;
  given_ = 0;
  sampled_ = 0;
  done_ = keys.empty();
  above_ = std::numeric_limits<float>::quiet_NaN();  // every key is above it
  found_.resize(keys.size() + 16);
  const size_t step = std::max<size_t>(1, keys.size() / kSample);
  sample_.clear();
  for (size_t i = step / 2; i < keys.size(); i += step)
    sample_.push_back(std::isnan(keys[i]) ? kInfinity : keys[i]);
}

std::span<const uint32_t> KeyOrder::Next(size_t count) {
  const KeyRange range = BestKeyRange();
  while (!done_) {
    // The sample's keys up to `sampled_` were given; each part goes beyond them.
    sampled_ = std::max(sampled_ + 1, (given_ + count) * sample_.size() / keys_.size());
    float high = kInfinity;
    if (sampled_ < sample_.size()) {
      const auto at = sample_.begin() + static_cast<ptrdiff_t>(sampled_);
      std::nth_element(sample_.begin(), at, sample_.end());
      high = *at;
    }
    done_ = high == kInfinity;
    const size_t found = range(keys_.data(), keys_.size(), above_, high, found_.data());
    above_ = high;
    given_ += found;
    if (found > 0) return {found_.data(), found};
  }
  return {};
}

}  // namespace vouch
