#include "rag/eval/distributions.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vouch {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTiny = 1e-300;
constexpr double kEpsilon = 1e-15;
constexpr int kMaxTerms = 100'000;

double Away(double x) { return std::abs(x) < kTiny ? kTiny : x; }

// The continued fraction of the incomplete beta function by Lentz's method (Numerical Recipes 6.4).
double BetaFraction(double a, double b, double x) {
  double c = 1;
  double d = 1 / Away(1 - (a + b) * x / (a + 1));
  double value = d;
  for (int m = 1; m < kMaxTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / Away(1 + even * d);
    c = Away(1 + even / c);
    value *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / Away(1 + odd * d);
    c = Away(1 + odd / c);
    const double step = d * c;
    value *= step;
    if (std::abs(step - 1) < kEpsilon) break;
  }
  return value;
}

// Upper regularised incomplete gamma Q(a, x): series below a + 1, continued fraction above.
double GammaUpper(double a, double x) {
  if (x <= 0) return 1;
  const double front = std::exp(-x + a * std::log(x) - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (int n = 1; n < kMaxTerms && term > sum * kEpsilon; ++n) sum += term *= x / (a + n);
    return 1 - sum * front;
  }
  double b = x + 1 - a;
  double c = 1 / kTiny;
  double d = 1 / b;
  double value = d;
  for (int n = 1; n < kMaxTerms; ++n) {
    const double numerator = -n * (n - a);
    b += 2;
    d = 1 / Away(numerator * d + b);
    c = Away(b + numerator / c);
    const double step = d * c;
    value *= step;
    if (std::abs(step - 1) < kEpsilon) break;
  }
  return front * value;
}

// The x in [low, high] at which an ascending function reaches p; `high` doubles until it is enough.
template <typename Cdf>
double Invert(Cdf cdf, double p, double low, double high, bool may_grow) {
  while (may_grow && cdf(high) < p && high < 1e300) {
    low = high;
    high *= 2;
  }
  for (int i = 0; i < 200 && high - low > kEpsilon * std::max(1e-3, std::abs(high)); ++i) {
    const double middle = low + (high - low) / 2;
    (cdf(middle) < p ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

bool IsProbability(double p) { return p > 0 && p < 1; }

}  // namespace

double NormalCdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double NormalQuantile(double p) {
  if (p == 0) return -kInfinity;
  if (p == 1) return kInfinity;
  if (!IsProbability(p)) return kNaN;
  if (p > 0.5) return -NormalQuantile(1 - p);
  // Abramowitz and Stegun 26.2.23, then Newton's steps, in which the density bounds the error.
  const double t = std::sqrt(-2 * std::log(p));
  double x = -(t - (2.515517 + 0.802853 * t + 0.010328 * t * t) /
                       (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t));
  for (int i = 0; i < 4; ++i) {
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
    const double error = (NormalCdf(x) - p) / density;
    x -= error / (1 + x * error / 2);
  }
  return x;
}

double BetaCdf(double x, double a, double b) {
  if (!(a > 0 && b > 0) || std::isnan(x)) return kNaN;
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(a, b, x) / a;
  return 1 - front * BetaFraction(b, a, 1 - x) / b;
}

double BetaQuantile(double p, double a, double b) {
  if (!(a > 0 && b > 0) || !IsProbability(p)) return kNaN;
  return Invert([&](double x) { return BetaCdf(x, a, b); }, p, 0, 1, /*may_grow=*/false);
}

double StudentTwoSidedP(double t, double degrees) {
  if (std::isnan(t) || !(degrees > 0)) return kNaN;
  if (std::isinf(t)) return 0;
  return BetaCdf(degrees / (degrees + t * t), degrees / 2, 0.5);
}

double StudentQuantile(double p, double degrees) {
  if (!IsProbability(p) || !(degrees > 0)) return kNaN;
  if (p < 0.5) return -StudentQuantile(1 - p, degrees);
  return Invert([&](double t) { return 1 - StudentTwoSidedP(t, degrees) / 2; }, p, 0, 2,
                /*may_grow=*/true);
}

double ChiSquareUpper(double x, double degrees) {
  if (std::isnan(x) || !(degrees > 0)) return kNaN;
  return GammaUpper(degrees / 2, x / 2);
}

double ChiSquareQuantile(double p, double degrees) {
  if (!IsProbability(p) || !(degrees > 0)) return kNaN;
  return Invert([&](double x) { return 1 - ChiSquareUpper(x, degrees); }, p, 0, 2 * degrees,
                /*may_grow=*/true);
}

}  // namespace vouch
