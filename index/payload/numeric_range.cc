#include "index/payload/numeric_range.h"

#include <cmath>
#include <limits>
#include <variant>

namespace vouch {
namespace {

constexpr int64_t kMinInteger = std::numeric_limits<int64_t>::min();
constexpr int64_t kMaxInteger = std::numeric_limits<int64_t>::max();
constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using IntegerRange = std::optional<NumericRange<int64_t>>;
using FloatRange = std::optional<NumericRange<double>>;

IntegerRange IntegersUpTo(double bound) {  // bound is integral
  if (bound >= kTwoTo63) return NumericRange<int64_t>{kMinInteger, kMaxInteger};
  if (bound < -kTwoTo63) return std::nullopt;
  return NumericRange<int64_t>{kMinInteger, static_cast<int64_t>(bound)};
}

IntegerRange IntegersFrom(double bound) {  // bound is integral
  if (bound >= kTwoTo63) return std::nullopt;
  if (bound <= -kTwoTo63) return NumericRange<int64_t>{kMinInteger, kMaxInteger};
  return NumericRange<int64_t>{static_cast<int64_t>(bound), kMaxInteger};
}

IntegerRange IntegersMeetingInteger(FilterOp op, int64_t literal) {
  if (op == FilterOp::kEq) return NumericRange<int64_t>{literal, literal};
  if (op == FilterOp::kLe) return NumericRange<int64_t>{kMinInteger, literal};
  if (op == FilterOp::kGe) return NumericRange<int64_t>{literal, kMaxInteger};
  if (op == FilterOp::kLt && literal > kMinInteger) {
    return NumericRange<int64_t>{kMinInteger, literal - 1};
  }
  if (op == FilterOp::kGt && literal < kMaxInteger) {
    return NumericRange<int64_t>{literal + 1, kMaxInteger};
  }
  return std::nullopt;
}

IntegerRange IntegersMeetingFloat(FilterOp op, double literal) {
  if (std::isnan(literal)) return std::nullopt;
  // Above the largest integer or below the smallest, where ± 1 would be lost in rounding.
  const bool integral = std::floor(literal) == literal;
  const bool in_range = literal >= -kTwoTo63 && literal < kTwoTo63;
  if (integral && in_range) return IntegersMeetingInteger(op, static_cast<int64_t>(literal));
  if (op == FilterOp::kEq) return std::nullopt;
  if (op == FilterOp::kLt || op == FilterOp::kLe) return IntegersUpTo(std::floor(literal));
  return IntegersFrom(std::ceil(literal));
}

FloatRange FloatsMeetingFloat(FilterOp op, double literal) {
  if (std::isnan(literal)) return std::nullopt;
  if (op == FilterOp::kEq) return NumericRange<double>{literal, literal};
  if (op == FilterOp::kLe) return NumericRange<double>{-kInfinity, literal};
  if (op == FilterOp::kGe) return NumericRange<double>{literal, kInfinity};
  if (op == FilterOp::kLt) {
    return NumericRange<double>{-kInfinity, std::nextafter(literal, -kInfinity)};
  }
  return NumericRange<double>{std::nextafter(literal, kInfinity), kInfinity};
}

FloatRange FloatsMeetingInteger(FilterOp op, int64_t literal) {
  const double nearest = static_cast<double>(literal);
  const bool above = nearest >= kTwoTo63 || static_cast<int64_t>(nearest) > literal;
  const bool equal = !above && static_cast<int64_t>(nearest) == literal;
  if (equal) return FloatsMeetingFloat(op, nearest);
  if (op == FilterOp::kEq) return std::nullopt;
  // The integer lies between two neighbouring floats, so that < and <= are the same, as are > and
  // >=.
  if (op == FilterOp::kLt || op == FilterOp::kLe) {
    return FloatsMeetingFloat(above ? FilterOp::kLt : FilterOp::kLe, nearest);
  }
  return FloatsMeetingFloat(above ? FilterOp::kGe : FilterOp::kGt, nearest);
}

}  // namespace

IntegerRange IntegersMeeting(FilterOp op, const FilterValue& literal) {
  if (const auto* integer = std::get_if<int64_t>(&literal)) {
    return IntegersMeetingInteger(op, *integer);
  }
  if (const auto* real = std::get_if<double>(&literal)) return IntegersMeetingFloat(op, *real);
  return std::nullopt;
}

FloatRange FloatsMeeting(FilterOp op, const FilterValue& literal) {
  if (const auto* integer = std::get_if<int64_t>(&literal))
    return FloatsMeetingInteger(op, *integer);
  if (const auto* real = std::get_if<double>(&literal)) return FloatsMeetingFloat(op, *real);
  return std::nullopt;
}

}  // namespace vouch
