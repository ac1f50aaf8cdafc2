#include "storage/vector_codec.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using testing::HasSubstr;

// The value of a binary16 by its definition.
double ValueOf(uint16_t half) {
  const int exponent = half >> 10 & 0x1F;
  const int fraction = half & 0x3FF;
  const double size = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (half & 0x8000) != 0 ? -size : size;
}

TEST(VectorCodec, EveryHalfIsItsValueAndComesBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = FloatOfHalf(static_cast<uint16_t>(half));
    if ((half & 0x7C00) == 0x7C00) {
      EXPECT_EQ(std::isnan(value), (half & 0x3FF) != 0);
      EXPECT_FALSE(std::isfinite(value));
      continue;
    }
    ASSERT_EQ(static_cast<double>(value), ValueOf(static_cast<uint16_t>(half))) << half;
    ASSERT_EQ(HalfOfFloat(value), half);
    ASSERT_TRUE(IsRounded(VectorType::kF16, std::span(&value, 1)));
  }
}

// The nearest of all finite halves, by looking at the two around the value.
TEST(VectorCodec, HalvesAreRoundedToTheNearestTiesToEven) {
  for (uint32_t half = 0; half < 0x7BFF; ++half) {
    const double low = ValueOf(static_cast<uint16_t>(half));
    const double high = ValueOf(static_cast<uint16_t>(half + 1));
    const auto middle = static_cast<float>((low + high) / 2);  // exact: a float has more bits
    const uint32_t even = half % 2 == 0 ? half : half + 1;
    ASSERT_EQ(HalfOfFloat(middle), even);
    ASSERT_EQ(HalfOfFloat(std::nextafter(middle, 0.0f)), half);
    ASSERT_EQ(HalfOfFloat(std::nextafter(middle, 1e9f)), half + 1);
    ASSERT_EQ(HalfOfFloat(-middle), even | 0x8000);
  }
  EXPECT_EQ(HalfOfFloat(65519.996f), 0x7BFF);
  EXPECT_EQ(HalfOfFloat(65520.0f), 0x7C00);
  EXPECT_EQ(HalfOfFloat(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_EQ(HalfOfFloat(1e-30f), 0);
  EXPECT_TRUE(std::isnan(FloatOfHalf(HalfOfFloat(std::numeric_limits<float>::quiet_NaN()))));
}

std::vector<float> RandomValues(VectorType type, std::mt19937_64& random, size_t dim) {
  std::vector<float> values(dim);
  for (float& value : values) {
    switch (type) {
      case VectorType::kF32:
      case VectorType::kF16:
        value = std::ldexp(static_cast<float>(random() % 20001) - 10000, static_cast<int>(random() % 20) - 18);
        break;
      case VectorType::kI8: value = static_cast<float>(static_cast<int>(random() % 256) - 128); break;
      case VectorType::kBit: value = static_cast<float>(random() % 2); break;
    }
  }
  return values;
}

// Also of lengths that no vector register divides, at any address.
TEST(VectorCodec, WhatWasRoundedComesBackBitByBit) {
  const uint64_t seed = 20261126;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kI8, VectorType::kBit}) {
    for (size_t dim = 1; dim <= 130; ++dim) {
      std::vector<float> values = RandomValues(type, random, dim);
      ASSERT_TRUE(RoundVector(type, values).ok());
      ASSERT_TRUE(IsRounded(type, values));
      std::string bytes(VectorBytes(type, dim) + 2, '\x5A');
      EncodeVector(type, values, bytes.data() + 1);
      EXPECT_EQ(bytes.front(), '\x5A');
      EXPECT_EQ(bytes.back(), '\x5A');
      EXPECT_TRUE(HasCleanPadding(type, bytes.data() + 1, dim));
      std::vector<float> read(dim, -7.0f);
      DecodeVector(type, bytes.data() + 1, read);
      for (size_t i = 0; i < dim; ++i) {
        ASSERT_EQ(std::bit_cast<uint32_t>(read[i]), std::bit_cast<uint32_t>(values[i])) << VectorTypeName(type) << i;
      }
    }
  }
}

TEST(VectorCodec, TheBytesAreThoseOfTheFormat) {
  const auto bytes = [](VectorType type, std::vector<float> values) {
    std::string out(VectorBytes(type, values.size()), '\0');
    EncodeVector(type, values, out.data());
    return out;
  };
  EXPECT_EQ(bytes(VectorType::kF32, {1, -2}), std::string("\0\0\x80\x3F\0\0\0\xC0", 8));
  EXPECT_EQ(bytes(VectorType::kF16, {1, -2, 65504}), std::string("\0\x3C\0\xC0\xFF\x7B", 6));
  EXPECT_EQ(bytes(VectorType::kI8, {1, -1, 127, -128}), "\x01\xFF\x7F\x80");
  EXPECT_EQ(bytes(VectorType::kBit, {1, 0, 0, 0, 0, 0, 0, 1, 0, 1}), "\x81\x02");
  EXPECT_FALSE(HasCleanPadding(VectorType::kBit, "\x81\x06", 10));
  EXPECT_TRUE(HasCleanPadding(VectorType::kBit, "\x81\xFF", 16));
}

TEST(VectorCodec, WhatATypeDoesNotHaveIsRefusedByValueAndPosition) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto error = [](VectorType type, std::vector<float> values) {
    EXPECT_FALSE(IsRounded(type, values));
    const absl::Status status = RoundVector(type, values);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(error(VectorType::kF32, {0, inf}), HasSubstr("value inf at position 1 is not finite"));
  EXPECT_THAT(error(VectorType::kF16, {0, 1, 65520}), HasSubstr("value 65520 at position 2 is beyond f16"));
  EXPECT_THAT(error(VectorType::kF16, {-1e30f}), HasSubstr("at position 0 is beyond f16"));
  EXPECT_THAT(error(VectorType::kI8, {0.5f}), HasSubstr("value 0.5 at position 0 is not an i8"));
  EXPECT_THAT(error(VectorType::kI8, {1, 128}), HasSubstr("value 128 at position 1"));
  EXPECT_THAT(error(VectorType::kI8, {-129}), HasSubstr("-128 to 127"));
  EXPECT_THAT(error(VectorType::kI8, {std::nanf("")}), HasSubstr("at position 0"));
  EXPECT_THAT(error(VectorType::kBit, {1, 0, -1}), HasSubstr("value -1 at position 2 is not a bit"));
  EXPECT_THAT(error(VectorType::kBit, {2}), HasSubstr("0 or 1"));
}

TEST(VectorCodec, ANegativeZeroIsZeroWhereThereIsNone) {
  for (const VectorType type : {VectorType::kI8, VectorType::kBit}) {
    std::vector<float> values = {-0.0f};
    EXPECT_FALSE(IsRounded(type, values));
    ASSERT_TRUE(RoundVector(type, values).ok());
    EXPECT_FALSE(std::signbit(values[0]));
  }
}

}  // namespace
}  // namespace vouch
