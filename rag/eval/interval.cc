#include "rag/eval/interval.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rag/eval/distributions.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> ResampledMeans(const std::vector<double>& values,
                                   const BootstrapOptions& options) {
  SeededRandom random(options.seed);
  std::vector<double> means(std::max<uint32_t>(1, options.resamples));
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[random.Below(values.size())];
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return means;
}

// Between the order statistics, as R's default (type 7).
double QuantileOf(const std::vector<double>& sorted, double p) {
  const double place = std::clamp(p, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

// How the mean leans with each value left out: the skewness of the values by a factor.
double Acceleration(const std::vector<double>& values, double mean) {
  double squares = 0;
  double cubes = 0;
  for (double value : values) {
    squares += (value - mean) * (value - mean);
    cubes += (value - mean) * (value - mean) * (value - mean);
  }
  return squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
}

}  // namespace

Interval BootstrapMean(const std::vector<double>& values, const BootstrapOptions& options) {
  if (values.size() < 2) return {};
  const double mean = Mean(values);
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); })) {
    return {values.front(), values.front()};
  }
  const std::vector<double> means = ResampledMeans(values, options);
  const double tail = (1 - options.confidence) / 2;
  double low = tail;
  double high = 1 - tail;
  if (options.kind == BootstrapKind::kBca) {
    // Ties count half, so that few distinct values do not look like a bias.
    const auto below = std::lower_bound(means.begin(), means.end(), mean) - means.begin();
    const auto to = std::upper_bound(means.begin(), means.end(), mean) - means.begin();
    const double count = static_cast<double>(means.size());
    const double share = std::clamp(static_cast<double>(below + to) / 2 / count, 1 / (count + 1),
                                    count / (count + 1));
    const double bias = NormalQuantile(share);
    const double acceleration = Acceleration(values, mean);
    const auto adjusted = [&](double p) {
      const double z = bias + NormalQuantile(p);
      return NormalCdf(bias + z / (1 - acceleration * z));
    };
    low = adjusted(tail);
    high = adjusted(1 - tail);
  }
  return {QuantileOf(means, low), QuantileOf(means, high)};
}

Interval WilsonInterval(uint64_t good, uint64_t all, double confidence) {
  if (all == 0) return {0, 1};
  const double n = static_cast<double>(all);
  const double share = static_cast<double>(good) / n;
  const double z = NormalQuantile(0.5 + confidence / 2);
  const double centre = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half =
      z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

Interval ExactInterval(uint64_t good, uint64_t all, double confidence) {
  if (all == 0) return {0, 1};
  const double tail = (1 - confidence) / 2;
  const auto hits = static_cast<double>(good);
  const auto misses = static_cast<double>(all - good);
  return {good == 0 ? 0 : BetaQuantile(tail, hits, misses + 1),
          good == all ? 1 : BetaQuantile(1 - tail, hits + 1, misses)};
}

}  // namespace vouch
