#pragma once

#include <cstdint>
#include <vector>

#include "rag/eval/interval.h"

namespace vouch {

// Estimates of a running experiment that hold at every look at once, made of sums alone, so that they
// can be kept and gone on with. All values are taken to be independent of each other.

// A figure's values so far.
struct FigureSums {
  uint64_t count = 0;
  double sum = 0;
  double squares = 0;

  void Add(double value);
  double mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

struct TwoArms {
  FigureSums champion = {};
  FigureSums challenger = {};
};

struct AlwaysValidOptions {
  double alpha = 0.05;       // that any of the intervals misses
  uint64_t min_count = 20;   // of each arm in a stratum; below it the stratum says nothing
  bool unit_range = true;    // values lie in [0, 1]: a spread of 0 is not believed of few of them
  double champion_scale = 1;  // the difference is challenger - champion_scale * champion
};

struct AlwaysValidEstimate {
  bool known = false;  // there were enough values
  double value = 0;
  Interval interval = {};
};

// The difference of the arms' means, within strata of the time (an experiment's share changes from one
// to the next, and so may what is asked), weighed by their counts: n m / (n + m). The interval is that
// of Robbins' normal mixture (1970), narrowest for differences of 0.2 standard deviations; with
// probability 1 - alpha all of them together hold the difference.
AlwaysValidEstimate DifferenceOfArms(const std::vector<TwoArms>& strata,
                                     const AlwaysValidOptions& options);
// The same of one mean; `champion_scale` is without effect.
AlwaysValidEstimate MeanAtAnyTime(const FigureSums& figure, const AlwaysValidOptions& options);

// The logarithm of the evidence that more than `share` of all events are `seen`, as `seen` of `all`
// are: likelihood ratios of four larger shares, averaged. Where no more are, it exceeds ln(1 / alpha)
// at any time with probability of at most alpha, whatever the counts (Ville, 1939).
double LogEvidenceOfMore(uint64_t seen, uint64_t all, double share);

// Whether callers come to the arms in the shares they are sent in, each with the share of its time.
// A normal mixture over shifts of about 0.2 in log odds.
class SampleRatio {
 public:
  static constexpr uint64_t kMinCallers = 100;

  uint64_t callers = 0;
  double excess = 0;    // challengers more than expected
  double variance = 0;  // of that, where the shares hold

  void Add(bool challenger, double share);
  double p() const;  // valid at every look: compare with kSampleRatioAlpha
};

}  // namespace vouch
