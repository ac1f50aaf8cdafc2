#include "query/reliability.h"

#include <algorithm>
#include <cmath>

namespace vouch {
namespace {

// The quantile of the standard normal distribution at p > 0.5, within 4.5e-4 (Hastings,
// "Approximations for Digital Computers", 1955; Abramowitz and Stegun 26.2.23).
double UpperNormalQuantile(double p) {
  const double t = std::sqrt(-2 * std::log(1 - p));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                 (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}

}  // namespace

double ExpectedNormalHeight(size_t count, size_t n) {
  double sum = 0;
  for (size_t i = 1; i <= count; ++i) {
    // Blom: the i-th greatest of n lies at the quantile (n − i + 1 − 3/8) / (n + 1/4).
    const double upper = (static_cast<double>(n - i) + 0.625) / (static_cast<double>(n) + 0.25);
    sum += upper > 0.5 ? UpperNormalQuantile(upper)
                       : (upper < 0.5 ? -UpperNormalQuantile(1 - upper) : 0);
  }
  return sum / static_cast<double>(count);
}

Reliability EstimateReliability(std::span<const RankedRow> hits, std::span<const float> sample,
                                size_t rows) {
  Reliability result;
  const size_t count = std::min({hits.size(), ReliabilityLimits::kHits, rows / 2});
  if (count == 0 || rows < 3 || sample.empty()) return result;
  const auto size = static_cast<double>(sample.size());
  double mean = 0;
  for (float score : sample) mean += double{score};
  mean /= size;
  double variance = 0;
  for (float score : sample) variance += (double{score} - mean) * (double{score} - mean);
  const double deviation = std::sqrt(variance / size);
  double height = 0;
  for (size_t i = 0; i < count; ++i) height += hits[i].score;
  height = (height / static_cast<double>(count) - mean) / deviation;
  if (!(deviation > 0) || !std::isfinite(height)) return result;
  result.height = height;
  result.chance = ExpectedNormalHeight(count, rows);
  const double by_chance = result.chance / height;
  result.weight =
      std::max(ReliabilityLimits::kFloor, height > result.chance ? 1 - by_chance * by_chance : 0);
  return result;
}

}  // namespace vouch
