#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "rag/eval/interval.h"

namespace vouch {

inline constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

struct PairedOptions {
  double alpha = 0.05;             // two-sided
  double power = 0.8;              // for what could have been found
  double margin = 0;               // a loss of this much does not matter, >= 0; 0: any does
  uint32_t randomisations = 100'000;  // where there are too many pairs to try all signs
  uint32_t resamples = 10'000;
  uint64_t seed = 1;
};

// What two systems' figures for the same questions say. Differences are b - a; more is better.
enum class Verdict : uint8_t {
  kBetter,      // b, by the randomisation test
  kWorse,       // b, likewise
  kNoWorse,     // not better, and the interval lies above -margin: non-inferior
  kCannotTell,  // neither: too few questions for the spread
};
std::string_view VerdictName(Verdict verdict);  // "better", "worse", "no worse", "cannot tell"

struct PairedResult {
  uint64_t pairs = 0;
  uint64_t missing = 0;  // pairs without a number on either side: counted, never averaged
  uint64_t wins = 0;     // b above a
  uint64_t ties = 0;
  uint64_t losses = 0;
  double mean_a = kNotANumber;
  double mean_b = kNotANumber;
  double difference = kNotANumber;  // mean of b - a
  double deviation = kNotANumber;   // of the differences, with n - 1
  double t = kNotANumber;           // paired t
  double p_t = 1;
  double p = 1;           // of the sign-flip randomisation test, two-sided
  double adjusted_p = 1;  // p, or what Holm makes of it beside others
  Interval interval = {};      // of the difference, BCa bootstrap, 1 - alpha
  double detectable = kNotANumber;  // the smallest difference that this many pairs find with `power`
  uint64_t pairs_needed = 0;        // to find the difference that was seen; 0: none, or unknown
  Verdict verdict = Verdict::kCannotTell;
};

// Sizes must be equal. No pair, one pair, and all ties are "cannot tell" (all ties: p = 1, and with
// a margin "no worse" from two pairs on, since the interval is [0, 0]).
//
// Paired t and the sign-flip randomisation test agree on means of measures (Smucker, Allan,
// Carterette, 2007); the latter decides, as it assumes no shape. All signs are tried for up to 20
// differences that are not 0, else p = (1 + hits) / (randomisations + 1).
PairedResult ComparePaired(const std::vector<double>& a, const std::vector<double>& b,
                           const PairedOptions& options = {});

// The verdict of a result by its adjusted p: for Holm, which changes it.
Verdict Judge(const PairedResult& result, const PairedOptions& options);

// Holm's step-down adjustment: p-values that are compared with alpha as they are, whatever their
// number. NaN counts as 1.
std::vector<double> HolmAdjust(const std::vector<double>& p_values);

// How many pairs find a difference `delta` of deviation `deviation`: (z(1-alpha/2) + z(power))² s² /
// delta², rounded up; 0 where delta is 0 or a figure is no number.
uint64_t PairsNeeded(double delta, double deviation, double alpha, double power);
// The difference that `pairs` find; NaN for none.
double DetectableDifference(uint64_t pairs, double deviation, double alpha, double power);
// The power of the two-sided test.
double PowerOf(uint64_t pairs, double delta, double deviation, double alpha);

}  // namespace vouch
