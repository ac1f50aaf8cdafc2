#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace vouch {

struct Interval {
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
};

enum class BootstrapKind : uint8_t {
  kPercentile,
  kBca,  // bias-corrected and accelerated (Efron, 1987)
};

struct BootstrapOptions {
  BootstrapKind kind = BootstrapKind::kBca;
  double confidence = 0.95;    // in (0, 1)
  uint32_t resamples = 10'000;  // more: a steadier interval, in proportion slower
  uint64_t seed = 1;           // the same seed and values give the same bits
};

// An interval of the mean of `values` by resampling them. NaN, NaN for less than two values, since
// one says nothing of the spread; the mean twice where all are equal.
Interval BootstrapMean(const std::vector<double>& values, const BootstrapOptions& options = {});

// Wilson's score interval of a share of `good` in `all` events; [0, 1] where there are none.
Interval WilsonInterval(uint64_t good, uint64_t all, double confidence);
// Clopper and Pearson's exact interval, which covers at least what it says.
Interval ExactInterval(uint64_t good, uint64_t all, double confidence);

}  // namespace vouch
