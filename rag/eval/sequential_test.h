#pragma once

#include <cstdint>
#include <vector>

#include "rag/eval/interval.h"

namespace vouch {

// Tests that stay valid however often and whenever their figures are looked at. Each takes one
// difference after the other; a value that is no finite number is counted by `skipped` and changes
// nothing else.

// Mean and variance as they come (Welford, 1962).
class RunningMoments {
 public:
  void Add(double value);
  uint64_t count() const { return count_; }
  double mean() const { return mean_; }
  double variance() const;  // with n - 1; 0 below two values

 private:
  uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

// Mixture sequential probability ratio test of mean 0 (Robbins, 1970; Johari et al., 2015), with a
// normal mixture N(0, tau²).
class MixtureTest {
 public:
  struct Options {
    double tau2 = 1e-4;     // squared size of the differences that matter: where it is strongest
    double variance = 0;    // of one difference; 0: as estimated so far
    uint64_t burn_in = 30;  // values before the estimate is trusted; without effect for a given one
  };
  explicit MixtureTest(const Options& options) : options_(options) {}

  void Add(double difference);
  double p() const { return p_; }  // never grows; stop at p <= alpha
  double log_likelihood_ratio() const { return log_ratio_; }  // of the latest value
  const RunningMoments& moments() const { return moments_; }
  uint64_t skipped() const { return skipped_; }

 private:
  Options options_;
  RunningMoments moments_;
  double log_ratio_ = 0;
  double p_ = 1;
  uint64_t skipped_ = 0;
};

// Asymptotic confidence sequence of the mean (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, 2021):
// all intervals together hold the mean with probability 1 - alpha, for many values.
class ConfidenceSequence {
 public:
  struct Options {
    double alpha = 0.05;
    uint64_t tightest_at = 500;  // the number of values where it is narrowest
    uint64_t burn_in = 30;       // before that the interval is unbounded
  };
  explicit ConfidenceSequence(const Options& options);

  void Add(double value);
  Interval interval() const;
  const RunningMoments& moments() const { return moments_; }
  uint64_t skipped() const { return skipped_; }

 private:
  Options options_;
  double rho2_ = 0;
  RunningMoments moments_;
  uint64_t skipped_ = 0;
};

// Tests that values of [0, 1] have mean `mean` by betting on both sides (Waudby-Smith, Ramdas,
// 2024, the hedged capital process): valid for any number of values and any shape. Differences of
// measures in [-1, 1] are passed as (d + 1) / 2 with mean 1/2. Values outside count as skipped.
class BettingTest {
 public:
  explicit BettingTest(double mean = 0.5, double alpha = 0.05) : mean_(mean), alpha_(alpha) {}

  void Add(double value);
  double p() const { return p_; }  // never grows
  uint64_t count() const { return count_; }
  uint64_t skipped() const { return skipped_; }

 private:
  double mean_;
  double alpha_;
  uint64_t count_ = 0;
  uint64_t skipped_ = 0;
  double sum_ = 0.5;       // of the values, with one of 1/2 before them
  double squares_ = 0.25;  // of distances from the running mean, with 1/4 before them
  double log_up_ = 0;
  double log_down_ = 0;
  double p_ = 1;
};

// Critical values of |z| for looks at equal steps, such that all together err with `alpha`: Pocock's
// are all the same, O'Brien and Fleming's fall as 1/sqrt(look). Empty for less than one look or more
// than kMaxLooks, or an alpha outside (0, 1).
inline constexpr uint32_t kMaxLooks = 50;
enum class GroupSequentialKind : uint8_t { kPocock, kOBrienFleming };
std::vector<double> GroupSequentialBounds(GroupSequentialKind kind, uint32_t looks, double alpha);

// Whether arms came out in their shares: Pearson's chi-square. Below kSampleRatioAlpha the experiment
// is not to be trusted, whatever it shows. 1 for less than two arms, no observation, or a share that
// is not above 0.
inline constexpr double kSampleRatioAlpha = 0.001;
double SampleRatioP(const std::vector<uint64_t>& counts, const std::vector<double>& shares);

}  // namespace vouch
