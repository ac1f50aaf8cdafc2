#include "index/payload/numeric_range.h"

#include <cmath>
#include <iostream>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace vouch {
namespace {

constexpr FilterOp kOps[] = {FilterOp::kEq, FilterOp::kLt, FilterOp::kLe, FilterOp::kGt,
                             FilterOp::kGe};

bool Holds(FilterOp op, int order) {
  switch (op) {
    case FilterOp::kEq:
      return order == 0;
    case FilterOp::kLt:
      return order < 0;
    case FilterOp::kLe:
      return order <= 0;
    case FilterOp::kGt:
      return order > 0;
    default:
      return order >= 0;
  }
}

// x87's long double holds every int64 and every double exactly.
static_assert(std::numeric_limits<long double>::digits >= 64);
int Order(long double a, long double b) { return a < b ? -1 : a > b ? 1 : 0; }

std::vector<int64_t> Integers(std::mt19937_64& random) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  std::vector<int64_t> values = {0,           1,    -1,       3,          kMin,       kMin + 1,
                                 kMin + 1024, kMax, kMax - 1, kMax - 511, kMax - 512, kMax - 1023};
  for (int64_t base : {int64_t{1} << 53, -(int64_t{1} << 53), int64_t{1} << 62}) {
    for (int64_t d = -3; d <= 3; ++d) values.push_back(base + d);
  }
  for (int i = 0; i < 40; ++i) values.push_back(static_cast<int64_t>(random()) >> (random() % 63));
  return values;
}

std::vector<double> Floats(std::mt19937_64& random) {
  std::vector<double> values = {0.0,
                                -0.0,
                                0.5,
                                -0.5,
                                1,
                                1.5,
                                3,
                                9007199254740992.0,
                                9007199254740994.0,
                                9223372036854775808.0,
                                -9223372036854775808.0,
                                9223372036854774784.0,
                                -9223372036854777856.0,
                                4611686018427387904.0,
                                1e300,
                                -1e300,
                                5e-324,
                                std::numeric_limits<double>::max()};
  for (int i = 0; i < 40; ++i) {
    values.push_back(std::ldexp(static_cast<double>(static_cast<int64_t>(random())),
                                -static_cast<int>(random() % 70)));
  }
  return values;
}

TEST(NumericRangeTest, ComparesExactlyInAllFourCombinations) {
  constexpr uint64_t kSeed = 5;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  const std::vector<int64_t> integers = Integers(random);
  const std::vector<double> floats = Floats(random);
  const auto check = [](FilterOp op, const auto& value, const auto& literal, const auto& range) {
    const bool expected = Holds(op, Order(value, literal));
    const bool met = range.has_value() && range->Contains(value);
    EXPECT_EQ(met, expected) << value << " operator " << static_cast<int>(op) << " " << literal;
  };
  for (FilterOp op : kOps) {
    for (int64_t a : integers) {
      for (int64_t b : integers) check(op, a, b, IntegersMeeting(op, b));
      for (double b : floats) {
        check(op, a, b, IntegersMeeting(op, b));
        check(op, b, a, FloatsMeeting(op, a));
      }
    }
    for (double a : floats) {
      for (double b : floats) check(op, a, b, FloatsMeeting(op, b));
    }
  }
}

TEST(NumericRangeTest, OtherLiteralsMeetNothing) {
  for (FilterOp op : kOps) {
    EXPECT_FALSE(IntegersMeeting(op, std::nan("")).has_value());
    EXPECT_FALSE(FloatsMeeting(op, std::nan("")).has_value());
    EXPECT_FALSE(IntegersMeeting(op, std::string("3")).has_value());
    EXPECT_FALSE(FloatsMeeting(op, true).has_value());
  }
}

}  // namespace
}  // namespace vouch
