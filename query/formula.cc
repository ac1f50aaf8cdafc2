#include "query/formula.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace vouch {
namespace {

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();
constexpr double kEarthRadius = 6'371'008.8;  // metres, the mean of the WGS 84 ellipsoid
constexpr double kRadians = 3.14159265358979323846 / 180;

// d / scale of a decay; no value where the arguments make no sense.
double DecayDistance(const double* arguments, size_t count) {
  const double offset = count > 3 ? arguments[3] : 0;
  const double scale = arguments[2];
  const double decay = count > 4 ? arguments[4] : 0.5;
  if (!(scale > 0) || !(offset >= 0) || !(decay > 0 && decay < 1)) return kNoValue;
  const double distance = std::abs(arguments[0] - arguments[1]) - offset;
  if (std::isnan(distance)) return kNoValue;
  return std::max(0.0, distance) / scale;
}

double DecayAtScale(const double* arguments, size_t count) {
  return count > 4 ? arguments[4] : 0.5;
}

// The haversine formula; degrees in, metres out.
double GeoDistance(const double* arguments) {
  const double latitude = arguments[0] * kRadians;
  const double latitude0 = arguments[2] * kRadians;
  const double across = std::sin((latitude - latitude0) / 2);
  const double along = std::sin((arguments[1] - arguments[3]) * kRadians / 2);
  const double h = across * across + std::cos(latitude) * std::cos(latitude0) * along * along;
  return 2 * kEarthRadius * std::asin(std::min(1.0, std::sqrt(h)));
}

template <typename Better>
double Choose(const double* arguments, size_t count, Better better) {
  double chosen = arguments[0];
  for (size_t i = 0; i < count; ++i) {
    if (std::isnan(arguments[i])) return kNoValue;
    if (better(arguments[i], chosen)) chosen = arguments[i];
  }
  return chosen;
}

}  // namespace

double Formula::Apply(const Step& step, const double* a) {
  const size_t count = step.arguments;
  switch (step.op) {
    case Op::kNumber:
    case Op::kField:
    case Op::kScore:
      return kNoValue;  // Evaluate takes these itself
    case Op::kNegate:
      return -a[0];
    case Op::kAdd:
      return a[0] + a[1];
    case Op::kSubtract:
      return a[0] - a[1];
    case Op::kMultiply:
      return a[0] * a[1];
    case Op::kDivide:
      return a[0] / a[1];
    case Op::kAbs:
      return std::abs(a[0]);
    case Op::kSqrt:
      return std::sqrt(a[0]);
    case Op::kExp:
      return std::exp(a[0]);
    case Op::kLog:
      return std::log(a[0]);
    case Op::kLog1p:
      return std::log1p(a[0]);
    case Op::kLog10:
      return std::log10(a[0]);
    case Op::kPow:
      // pow(1, NaN) and pow(NaN, 0) are 1.
      return std::isnan(a[0]) || std::isnan(a[1]) ? kNoValue : std::pow(a[0], a[1]);
    case Op::kMin:
      return Choose(a, count, [](double x, double y) { return x < y; });
    case Op::kMax:
      return Choose(a, count, [](double x, double y) { return x > y; });
    case Op::kDefault:
      return std::isnan(a[0]) ? a[1] : a[0];
    case Op::kExpDecay:
      return std::pow(DecayAtScale(a, count), DecayDistance(a, count));
    case Op::kGaussDecay: {
      const double distance = DecayDistance(a, count);
      return std::pow(DecayAtScale(a, count), distance * distance);
    }
    case Op::kLinearDecay: {
      const double distance = DecayDistance(a, count);
      if (std::isnan(distance)) return kNoValue;
      return std::max(0.0, 1 - (1 - DecayAtScale(a, count)) * distance);
    }
    case Op::kGeoDistance:
      return GeoDistance(a);
    case Op::kDays:
      return a[0] * 86'400;
    case Op::kHours:
      return a[0] * 3'600;
  }
  return kNoValue;
}

double Formula::Evaluate(double score, std::span<const double> values) const {
  std::array<double, kMaxSteps> stack;  // the parser bounds the number of steps
  size_t size = 0;
  for (const Step& step : steps_) {
    double result = 0;
    switch (step.op) {
      case Op::kNumber:
        result = step.number;
        break;
      case Op::kField:
        result = values[step.field];
        break;
      case Op::kScore:
        result = score;
        break;
      default:
        size -= step.arguments;
        result = Apply(step, stack.data() + size);
        break;
    }
    stack[size++] = std::isfinite(result) ? result : kNoValue;
  }
  return stack[0];
}

}  // namespace vouch
