#include "rag/eval/drift_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "rag/eval/distributions.h"

namespace vouch {
namespace {

void SortNumbers(std::vector<double>* values) {
  std::erase_if(*values, [](double value) { return !std::isfinite(value); });
  std::sort(values->begin(), values->end());
}

}  // namespace

QuantileBins::QuantileBins(std::vector<double> reference, size_t bins) {
  SortNumbers(&reference);
  if (reference.empty()) return;
  for (size_t i = 1; i < std::max<size_t>(2, bins); ++i) {
    const double edge = reference[i * reference.size() / std::max<size_t>(2, bins)];
    if (edge > reference.front() && (edges_.empty() || edge > edges_.back())) edges_.push_back(edge);
  }
}

std::vector<uint64_t> QuantileBins::Count(const std::vector<double>& values) const {
  std::vector<uint64_t> counts(size(), 0);
  for (double value : values) {
    if (!std::isfinite(value)) continue;
    ++counts[static_cast<size_t>(std::upper_bound(edges_.begin(), edges_.end(), value) -
                                 edges_.begin())];
  }
  return counts;
}

double PopulationStability(const std::vector<uint64_t>& reference,
                           const std::vector<uint64_t>& window) {
  const double bins = static_cast<double>(reference.size());
  const auto total = [&](const std::vector<uint64_t>& counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), uint64_t{0})) +
           bins / 2;
  };
  const double all_reference = total(reference);
  const double all_window = total(window);
  double index = 0;
  for (size_t i = 0; i < std::min(reference.size(), window.size()); ++i) {
    const double p = (static_cast<double>(window[i]) + 0.5) / all_window;
    const double q = (static_cast<double>(reference[i]) + 0.5) / all_reference;
    index += (p - q) * std::log(p / q);
  }
  return index;
}

double PopulationStabilityLimit(size_t bins, uint64_t reference, uint64_t window, double alpha) {
  if (bins < 2 || reference == 0 || window == 0) return std::numeric_limits<double>::infinity();
  return ChiSquareQuantile(1 - alpha, static_cast<double>(bins - 1)) *
         (1 / static_cast<double>(reference) + 1 / static_cast<double>(window));
}

KolmogorovSmirnov CompareDistributions(std::vector<double> reference, std::vector<double> window) {
  SortNumbers(&reference);
  SortNumbers(&window);
  KolmogorovSmirnov result;
  if (reference.empty() || window.empty()) return result;
  const auto n = static_cast<double>(reference.size());
  const auto m = static_cast<double>(window.size());
  size_t i = 0;
  size_t j = 0;
  while (i < reference.size() && j < window.size()) {
    const double value = std::min(reference[i], window[j]);
    while (i < reference.size() && reference[i] == value) ++i;
    while (j < window.size() && window[j] == value) ++j;
    result.distance = std::max(
        result.distance, std::abs(static_cast<double>(i) / n - static_cast<double>(j) / m));
  }
  const double root = std::sqrt(n * m / (n + m));
  const double lambda = (root + 0.12 + 0.11 / root) * result.distance;
  if (lambda < 0.2) return result;  // the series does not settle there, and p is 1 to ten digits
  double p = 0;
  for (int k = 1; k <= 100; ++k) {
    p += (k % 2 == 1 ? 2 : -2) * std::exp(-2.0 * k * k * lambda * lambda);
  }
  result.p = std::clamp(p, 0.0, 1.0);
  return result;
}

std::vector<double> BenjaminiHochberg(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double least = 1;
  for (size_t i = order.size(); i > 0; --i) {
    least = std::min(least, p_values[order[i - 1]] * static_cast<double>(order.size()) /
                                static_cast<double>(i));
    adjusted[order[i - 1]] = least;
  }
  return adjusted;
}

}  // namespace vouch
