#include "index/gpu/product_bound.h"

#include <cmath>
#include <limits>

namespace vouch {
namespace {

constexpr double kHalfUlp = 0x1p-24;
constexpr double kSmallest = 0x1p-126;  // normal f32
constexpr double kLarge = 0x1p120;      // sums below are no overflow, in whatever order they are made

}  // namespace

double ProductBound::Error() const {
  const double n = static_cast<double>(values);
  const double farthest = query_length + longest_row;
  if (!(farthest * farthest < kLarge)) return std::numeric_limits<double>::infinity();
  const double product = query_length * longest_row;
  double of_product = query_rounding * longest_row + (n + 16) * 4 * kHalfUlp * product;
  if (tf32) of_product += (0x1p-9 + 0x1p-20) * product;
  const double engine = (n / 16 + 8) * 2 * kHalfUlp;
  of_product += n * kSmallest * (1 + farthest);
  if (!l2) return of_product + engine * product;
  return 2 * of_product + engine * farthest * farthest + 4 * kHalfUlp * (longest_row * longest_row + 2 * product);
}

double LengthOf(std::span<const float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares);
}

double DistanceBetween(std::span<const float> a, std::span<const float> b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

}  // namespace vouch
