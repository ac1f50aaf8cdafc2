#include "rag/eval/sequential_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "rag/eval/distributions.h"

namespace vouch {
namespace {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();
constexpr double kBetLimit = 0.5;  // of what one value can take: capital never gets to 0

double LogAdd(double a, double b) {
  const double most = std::max(a, b);
  return most + std::log1p(std::exp(-std::abs(a - b)));
}

// A density on a grid: of the sum of increments at a look, over paths that crossed no bound so far.
struct Density {
  double step = 0;
  std::vector<double> values = {};  // at -(size - 1) / 2 * step …
  double At(size_t i) const {
    return (static_cast<double>(i) - static_cast<double>(values.size() - 1) / 2) * step;
  }
};

double NormalDensity(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); }

// The chance that |S(k)| stays below bounds[k] * sqrt(k) at all looks: the recursion of Armitage,
// McPherson and Rowe (1969), by Simpson's rule.
double StayInside(const std::vector<double>& bounds) {
  constexpr size_t kPoints = 201;
  Density density;
  for (size_t k = 0; k < bounds.size(); ++k) {
    const double edge = bounds[k] * std::sqrt(static_cast<double>(k + 1));
    Density next{2 * edge / (kPoints - 1), std::vector<double>(kPoints)};
    for (size_t i = 0; i < kPoints; ++i) {
      const double x = next.At(i);
      if (k == 0) {
        next.values[i] = NormalDensity(x);
        continue;
      }
      double sum = 0;
      for (size_t j = 0; j < kPoints; ++j) {
        const double weight = j == 0 || j + 1 == kPoints ? 1 : j % 2 == 1 ? 4 : 2;
        sum += weight * density.values[j] * NormalDensity(x - density.At(j));
      }
      next.values[i] = sum * density.step / 3;
    }
    density = std::move(next);
  }
  double inside = 0;
  for (size_t j = 0; j < kPoints; ++j) {
    const double weight = j == 0 || j + 1 == kPoints ? 1 : j % 2 == 1 ? 4 : 2;
    inside += weight * density.values[j];
  }
  return inside * density.step / 3;
}

std::vector<double> BoundsOf(GroupSequentialKind kind, uint32_t looks, double constant) {
  std::vector<double> bounds(looks, constant);
  if (kind == GroupSequentialKind::kOBrienFleming) {
    for (uint32_t k = 0; k < looks; ++k) {
      bounds[k] *= std::sqrt(static_cast<double>(looks) / static_cast<double>(k + 1));
    }
  }
  return bounds;
}

}  // namespace

void RunningMoments::Add(double value) {
  ++count_;
  const double off = value - mean_;
  mean_ += off / static_cast<double>(count_);
  squares_ += off * (value - mean_);
}

double RunningMoments::variance() const {
  return count_ < 2 ? 0 : squares_ / static_cast<double>(count_ - 1);
}

void MixtureTest::Add(double difference) {
  if (!std::isfinite(difference)) {
    ++skipped_;
    return;
  }
  moments_.Add(difference);
  double variance = options_.variance;
  if (variance <= 0) {
    if (moments_.count() < options_.burn_in) return;
    variance = moments_.variance();
  }
  if (variance <= 0) return;  // all the same so far: nothing is known of the spread
  const auto n = static_cast<double>(moments_.count());
  const double spread = variance + n * options_.tau2;
  log_ratio_ = 0.5 * std::log(variance / spread) +
               n * n * options_.tau2 * moments_.mean() * moments_.mean() / (2 * variance * spread);
  p_ = std::min(p_, std::exp(-log_ratio_));
}

ConfidenceSequence::ConfidenceSequence(const Options& options) : options_(options) {
  // Narrowest at `tightest_at` values (their appendix B.2).
  const double log_alpha = -2 * std::log(options_.alpha);
  rho2_ = (log_alpha + std::log(log_alpha + 1)) /
          static_cast<double>(std::max<uint64_t>(1, options_.tightest_at));
}

void ConfidenceSequence::Add(double value) {
  if (!std::isfinite(value)) {
    ++skipped_;
    return;
  }
  moments_.Add(value);
}

Interval ConfidenceSequence::interval() const {
  if (moments_.count() < std::max<uint64_t>(2, options_.burn_in)) return {-kUnbounded, kUnbounded};
  const auto n = static_cast<double>(moments_.count());
  const double half = std::sqrt(moments_.variance()) *
                      std::sqrt(2 * (n * rho2_ + 1) / (n * n * rho2_) *
                                std::log(std::sqrt(n * rho2_ + 1) / options_.alpha));
  return {moments_.mean() - half, moments_.mean() + half};
}

void BettingTest::Add(double value) {
  if (!(value >= 0 && value <= 1)) {
    ++skipped_;
    return;
  }
  // The bet is made before the value is seen.
  const double t = static_cast<double>(count_ + 1);
  const double variance = squares_ / t;
  const double bet = std::sqrt(2 * std::log(2 / alpha_) / (variance * t * std::log(1 + t)));
  const double up = std::min(bet, kBetLimit / mean_);
  const double down = std::min(bet, kBetLimit / (1 - mean_));
  log_up_ += std::log1p(up * (value - mean_));
  log_down_ += std::log1p(-down * (value - mean_));
  p_ = std::min(p_, std::exp(std::log(2.0) - LogAdd(log_up_, log_down_)));
  ++count_;
  sum_ += value;
  const double running = sum_ / (t + 1);
  squares_ += (value - running) * (value - running);
}

std::vector<double> GroupSequentialBounds(GroupSequentialKind kind, uint32_t looks, double alpha) {
  if (looks == 0 || looks > kMaxLooks || !(alpha > 0 && alpha < 1)) return {};
  double low = 0;
  double high = 10;
  for (int i = 0; i < 40; ++i) {
    const double middle = (low + high) / 2;
    (StayInside(BoundsOf(kind, looks, middle)) < 1 - alpha ? low : high) = middle;
  }
  return BoundsOf(kind, looks, (low + high) / 2);
}

double SampleRatioP(const std::vector<uint64_t>& counts, const std::vector<double>& shares) {
  if (counts.size() < 2 || counts.size() != shares.size()) return 1;
  const double all = static_cast<double>(std::accumulate(counts.begin(), counts.end(), uint64_t{0}));
  const double whole = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (all == 0 || std::any_of(shares.begin(), shares.end(), [](double s) { return !(s > 0); })) {
    return 1;
  }
  double statistic = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = all * shares[i] / whole;
    const double off = static_cast<double>(counts[i]) - expected;
    statistic += off * off / expected;
  }
  return ChiSquareUpper(statistic, static_cast<double>(counts.size() - 1));
}

}  // namespace vouch
