#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "storage/schema.h"

namespace vouch {

// Vectors as their field's type keeps them, little-endian and one value after the other:
//   f32  IEEE 754 binary32
//   f16  IEEE 754 binary16
//   i8   two's complement
//   bit  eight values a byte, lowest bit first; the bits after the last value are 0
//
// A vector that RoundVector gave is kept without loss: what is decoded is what was encoded.

// Bytes of a vector of `dim` values.
constexpr size_t VectorBytes(VectorType type, size_t dim) {
  switch (type) {
    case VectorType::kF32: return 4 * dim;
    case VectorType::kF16: return 2 * dim;
    case VectorType::kI8: return dim;
    case VectorType::kBit: return (dim + 7) / 8;
  }
  return 0;
}

// Rounds each value to the nearest that the type has: f16, ties to even. INVALID_ARGUMENT naming the
// first value that it does not have, and its position: what f16 would round to infinity, what is no
// integer from -128 to 127 for i8, what is neither 0 nor 1 for bit, and for any type what is not
// finite. The vector is then changed up to that position.
absl::Status RoundVector(VectorType type, std::span<float> vector);
// Whether each value is one of the type, so that RoundVector would change none. -0 is none of i8 and
// bit, for which it would come back as 0.
bool IsRounded(VectorType type, std::span<const float> vector);

// Writes VectorBytes bytes to `out`. The vector is rounded.
void EncodeVector(VectorType type, std::span<const float> vector, char* out);
// Reads VectorBytes bytes at `bytes`, aligned or not.
void DecodeVector(VectorType type, const char* bytes, std::span<float> out);
// Whether the bits after a bit vector's last value are 0. True for the other types.
bool HasCleanPadding(VectorType type, const char* bytes, size_t dim);

// One value of binary16 and back; to it with ties to even, to infinity from 65520 on.
uint16_t HalfOfFloat(float value);
float FloatOfHalf(uint16_t half);

}  // namespace vouch
