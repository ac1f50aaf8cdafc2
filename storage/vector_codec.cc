#include "storage/vector_codec.h"

#include <bit>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "storage/concat.h"

namespace vouch {

namespace {

constexpr float kHalfOverflow = 65520.0f;  // from here on binary16 rounds to infinity

absl::Status BadValue(size_t at, float value, std::string_view what) {
  return absl::InvalidArgumentError(Concat("the value ", value, " at position ", at, " ", what));
}

void ScalarHalves(const char* bytes, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, bytes + 2 * i, sizeof(half));
    out[i] = FloatOfHalf(half);
  }
}

void ScalarBytes(const char* bytes, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<int8_t>(bytes[i]));
}

void ScalarBits(const char* bytes, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>((static_cast<uint8_t>(bytes[i / 8]) >> (i % 8)) & 1);
  }
}

#if defined(__x86_64__)

// Each conversion is exact, so that these agree with the scalar ones bit by bit.

__attribute__((target("avx2,f16c"))) void VectorHalves(const char* bytes, size_t count, float* out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 2 * i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
  }
  ScalarHalves(bytes + 2 * i, count - i, out + i);
}

__attribute__((target("avx2"))) void VectorBytesToFloat(const char* bytes, size_t count, float* out) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + i));
    _mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight)));
  }
  ScalarBytes(bytes + i, count - i, out + i);
}

__attribute__((target("avx2"))) void VectorBits(const char* bytes, size_t count, float* out) {
  const __m256i which = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256 one = _mm256_set1_ps(1.0f);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i byte = _mm256_set1_epi32(static_cast<uint8_t>(bytes[i / 8]));
    const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(byte, which), which);
    _mm256_storeu_ps(out + i, _mm256_and_ps(_mm256_castsi256_ps(set), one));
  }
  ScalarBits(bytes + i / 8, count - i, out + i);
}

#endif  // __x86_64__

struct Decoders {
  void (*halves)(const char* bytes, size_t count, float* out) = ScalarHalves;
  void (*bytes)(const char* bytes, size_t count, float* out) = ScalarBytes;
  void (*bits)(const char* bytes, size_t count, float* out) = ScalarBits;
};

const Decoders& BestDecoders() {
  static const Decoders best = [] {
    Decoders found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    // A processor with AVX2 has F16C.
    if (__builtin_cpu_supports("avx2")) found = {VectorHalves, VectorBytesToFloat, VectorBits};
#endif
    return found;
  }();
  return best;
}

bool IsSignedByte(float value) {
  return value >= -128.0f && value <= 127.0f && value == std::nearbyint(value) &&
         !(value == 0 && std::signbit(value));
}

bool IsBit(float value) { return value == 1.0f || (value == 0.0f && !std::signbit(value)); }

bool IsHalf(float value) {
  return std::fabs(value) < kHalfOverflow && FloatOfHalf(HalfOfFloat(value)) == value;
}

}  // namespace

uint16_t HalfOfFloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t size = bits & 0x7FFFFFFF;
  if (size > 0x7F800000) return static_cast<uint16_t>(sign | 0x7E00);  // NaN
  if (size >= std::bit_cast<uint32_t>(kHalfOverflow)) return static_cast<uint16_t>(sign | 0x7C00);
  if (size < 0x38800000) {
    // Below 2^-14 the least step is 2^-24. The sum rounds to multiples of that, ties to even.
    const float sum = std::bit_cast<float>(size) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(0.5f)));
  }
  const uint32_t odd = size >> 13 & 1;
  return static_cast<uint16_t>(sign | ((size + 0xFFF + odd - 0x38000000) >> 13));
}

float FloatOfHalf(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = half >> 10 & 0x1F;
  const uint32_t fraction = half & 0x3FF;
  if (exponent == 0) {
    const float size = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(size));
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000 | fraction << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

absl::Status RoundVector(VectorType type, std::span<float> vector) {
  for (size_t i = 0; i < vector.size(); ++i) {
    const float value = vector[i];
    if (!std::isfinite(value)) return BadValue(i, value, "is not finite");
    switch (type) {
      case VectorType::kF32: break;
      case VectorType::kF16:
        if (std::fabs(value) >= kHalfOverflow) {
          return BadValue(i, value, "is beyond f16, whose largest is 65504");
        }
        vector[i] = FloatOfHalf(HalfOfFloat(value));
        break;
      case VectorType::kI8:
        if (!IsSignedByte(value + 0.0f)) {
          return BadValue(i, value, "is not an i8: an integer from -128 to 127");
        }
        vector[i] = value + 0.0f;  // 0 for -0
        break;
      case VectorType::kBit:
        if (!IsBit(value + 0.0f)) return BadValue(i, value, "is not a bit: 0 or 1");
        vector[i] = value + 0.0f;
        break;
    }
  }
  return absl::OkStatus();
}

bool IsRounded(VectorType type, std::span<const float> vector) {
  switch (type) {
    case VectorType::kF32: {
      // x - x is 0 for a finite x and NaN otherwise, so one pass without branches finds that all is well.
      float sum = 0;
      for (const float x : vector) sum += x - x;
      return sum == 0;
    }
    case VectorType::kF16:
      for (const float x : vector) {
        if (!IsHalf(x)) return false;
      }
      return true;
    case VectorType::kI8:
      for (const float x : vector) {
        if (!IsSignedByte(x)) return false;
      }
      return true;
    case VectorType::kBit:
      for (const float x : vector) {
        if (!IsBit(x)) return false;
      }
      return true;
  }
  return false;
}

void EncodeVector(VectorType type, std::span<const float> vector, char* out) {
  switch (type) {
    case VectorType::kF32:
      if (!vector.empty()) std::memcpy(out, vector.data(), vector.size_bytes());
      return;
    case VectorType::kF16:
      for (size_t i = 0; i < vector.size(); ++i) {
        const uint16_t half = HalfOfFloat(vector[i]);
        std::memcpy(out + 2 * i, &half, sizeof(half));
      }
      return;
    case VectorType::kI8:
      for (size_t i = 0; i < vector.size(); ++i) out[i] = static_cast<char>(static_cast<int8_t>(vector[i]));
      return;
    case VectorType::kBit:
      for (size_t at = 0; at < vector.size(); at += 8) {
        uint32_t byte = 0;
        for (size_t i = at; i < vector.size() && i < at + 8; ++i) {
          byte |= (vector[i] != 0 ? 1u : 0u) << (i - at);
        }
        out[at / 8] = static_cast<char>(byte);
      }
      return;
  }
}

void DecodeVector(VectorType type, const char* bytes, std::span<float> out) {
  switch (type) {
    case VectorType::kF32:
      if (!out.empty()) std::memcpy(out.data(), bytes, out.size_bytes());
      return;
    case VectorType::kF16: return BestDecoders().halves(bytes, out.size(), out.data());
    case VectorType::kI8: return BestDecoders().bytes(bytes, out.size(), out.data());
    case VectorType::kBit: return BestDecoders().bits(bytes, out.size(), out.data());
  }
}

bool HasCleanPadding(VectorType type, const char* bytes, size_t dim) {
  if (type != VectorType::kBit || dim % 8 == 0) return true;
  return static_cast<uint8_t>(bytes[dim / 8]) >> (dim % 8) == 0;
}

}  // namespace vouch
