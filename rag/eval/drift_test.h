#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vouch {

// Whether a window of figures comes from where the reference came from. Both tests are calibrated: they
// alarm without drift as often as `alpha` says, where fixed thresholds do not (a population stability
// index above 0.1 is exceeded in most windows of 500 without any drift, by 30 bins).

// Bins by quantiles of a reference, so that each holds about as much of it.
class QuantileBins {
 public:
  // At least 2 bins; fewer come out where values are equal. Values that are no numbers are left out.
  QuantileBins(std::vector<double> reference, size_t bins);
  size_t size() const { return edges_.size() + 1; }
  // How many values fall in each.
  std::vector<uint64_t> Count(const std::vector<double>& values) const;

 private:
  std::vector<double> edges_;  // ascending; a value on an edge falls above it
};

// Sum (p - q) ln(p / q) over bins, each count plus a half, so that an empty bin is no infinity. Sizes
// must be equal; 0 without any.
double PopulationStability(const std::vector<uint64_t>& reference,
                           const std::vector<uint64_t>& window);
// The index that is exceeded without drift with chance `alpha`: chi-square of bins - 1, times
// (1/n + 1/m). Infinite for less than two bins, or an empty side.
double PopulationStabilityLimit(size_t bins, uint64_t reference, uint64_t window, double alpha);

struct KolmogorovSmirnov {
  double distance = 0;  // of the distribution functions, 0 … 1
  double p = 1;         // asymptotic (Smirnov, 1948, in Stephens' form)
};
KolmogorovSmirnov CompareDistributions(std::vector<double> reference, std::vector<double> window);

// Benjamini and Hochberg's adjustment: compared with a rate of false discoveries among alarms.
std::vector<double> BenjaminiHochberg(const std::vector<double>& p_values);

}  // namespace vouch
