#include "rag/eval/always_valid.h"

#include <algorithm>
#include <cmath>

namespace vouch {
namespace {

constexpr double kEffect = 0.2;         // standard deviations: where the mixture is narrowest
constexpr double kUnitVariance = 0.25;  // the largest of values in [0, 1]
constexpr double kShiftOfOdds = 0.2;
constexpr double kMinVariance = 5;  // of SampleRatio, before a normal law describes it

double SquaresAroundMean(const FigureSums& figure) {
  if (figure.count == 0) return 0;
  return std::max(0.0, figure.squares - figure.sum * figure.mean());
}

// Of one value. In [0, 1] with one value more that is as far off as can be.
double Variance(const FigureSums& figure, bool unit_range) {
  const double more = unit_range ? kUnitVariance : 0;
  return (SquaresAroundMean(figure) + more) / static_cast<double>(figure.count);
}

FigureSums Sum(const TwoArms& arms) {
  return {.count = arms.champion.count + arms.challenger.count,
          .sum = arms.champion.sum + arms.challenger.sum,
          .squares = arms.champion.squares + arms.challenger.squares};
}

// `variance` of the estimate, `spread` of one value.
AlwaysValidEstimate Mixed(double value, double variance, double spread, double alpha) {
  double radius = 0;
  if (variance > 0) {
    const double tau2 = kEffect * kEffect * spread;
    radius = std::sqrt(2 * variance * (variance + tau2) / tau2 *
                       std::log(std::sqrt((variance + tau2) / variance) / alpha));
  }
  return {.known = true, .value = value, .interval = {value - radius, value + radius}};
}

}  // namespace

void FigureSums::Add(double value) {
  ++count;
  sum += value;
  squares += value * value;
}

AlwaysValidEstimate DifferenceOfArms(const std::vector<TwoArms>& strata,
                                     const AlwaysValidOptions& options) {
  double weights = 0;
  double differences = 0;
  double variances = 0;
  double spreads = 0;
  for (const TwoArms& arms : strata) {
    if (std::min(arms.champion.count, arms.challenger.count) < options.min_count) continue;
    const auto n = static_cast<double>(arms.champion.count);
    const auto m = static_cast<double>(arms.challenger.count);
    const double weight = n * m / (n + m);
    const double scale = options.champion_scale;
    // At least that of both arms together: a few values of the smaller arm that happen to be alike would
    // look certain.
    const double both = Variance(Sum(arms), options.unit_range);
    const double champion = std::max(both, Variance(arms.champion, options.unit_range));
    const double challenger = std::max(both, Variance(arms.challenger, options.unit_range));
    weights += weight;
    differences += weight * (arms.challenger.mean() - scale * arms.champion.mean());
    variances += weight * weight * (scale * scale * champion / n + challenger / m);
    spreads += weight * (champion + challenger) / 2;
  }
  if (weights == 0) return {};
  return Mixed(differences / weights, variances / (weights * weights), spreads / weights,
               options.alpha);
}

AlwaysValidEstimate MeanAtAnyTime(const FigureSums& figure, const AlwaysValidOptions& options) {
  if (figure.count < std::max<uint64_t>(1, options.min_count)) return {};
  const double spread = Variance(figure, options.unit_range);
  return Mixed(figure.mean(), spread / static_cast<double>(figure.count), spread, options.alpha);
}

double LogEvidenceOfMore(uint64_t seen, uint64_t all, double share) {
  constexpr double kSteps[] = {0.05, 0.15, 0.4, 0.8};  // of the way from `share` to 1
  const double p = std::clamp(share, 1e-4, 1 - 1e-4);
  const auto k = static_cast<double>(seen);
  const auto rest = static_cast<double>(all - seen);
  double logs[4];
  for (size_t i = 0; i < 4; ++i) {
    const double q = p + (1 - p) * kSteps[i];
    logs[i] = k * std::log(q / p) + rest * std::log((1 - q) / (1 - p));
  }
  const double most = *std::max_element(logs, logs + 4);
  double sum = 0;
  for (double log : logs) sum += std::exp(log - most);
  return most + std::log(sum / 4);
}

void SampleRatio::Add(bool challenger, double share) {
  ++callers;
  excess += (challenger ? 1 : 0) - share;
  variance += share * (1 - share);
}

double SampleRatio::p() const {
  if (callers < kMinCallers || variance < kMinVariance) return 1;
  const double tau2 = kShiftOfOdds * kShiftOfOdds;
  const double spread = 1 + variance * tau2;
  const double log_ratio = -0.5 * std::log(spread) + tau2 * excess * excess / (2 * spread);
  return std::min(1.0, std::exp(-log_ratio));
}

}  // namespace vouch
