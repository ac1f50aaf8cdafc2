#pragma once

#include <cstddef>
#include <span>

#include "query/ranked_row.h"

namespace vouch {

// How far the first hits of a dense leg stand out of its scores over the collection, and how far
// they would by chance.
struct Reliability {
  double height =
      0;  // mean of the first hits' scores, in standard deviations above the mean of all rows
  double chance = 0;  // what that is expected to be where the scores are independent and normal
  double weight = 1;  // 1 − (chance / height)², at least kFloor
};

// The height of the best of N scores has two sources: that the leg knows something of the query,
// and that the best of many random numbers is high. In units of variance, (chance / height)² is the
// second one's share; what is left is the reliability of the score in the sense of test theory
// (true variance over observed variance; Spearman, 1904; Lord and Novick, 1968), and weighing
// scores by it is shrinking them by Kelley's formula. Score gaps predict how good a ranking is
// without judgements (Shtok et al., "Predicting Query Performance by Query-Drift Estimation",
// 2012).
//
// `hits` in total order; its first kHits (half of the rows, where these are few) are compared.
// `sample`: scores of rows spread evenly over the `rows` that could be hits. Weight 1 where nothing
// can be said: under 3 rows, a sample without spread, scores that are not finite.
struct ReliabilityLimits {
  static constexpr size_t kHits = 10;
  static constexpr size_t kSampleRows = 256;
  static constexpr double kFloor = 0.01;  // a leg that knows nothing still keeps its hits in order
};
Reliability EstimateReliability(std::span<const RankedRow> hits, std::span<const float> sample,
                                size_t rows);

// The mean of the expected values of the `count` greatest of n independent standard normal numbers,
// 1 <= count <= n (Blom, "Statistical Estimates and Transformed Beta-Variables", 1958).
double ExpectedNormalHeight(size_t count, size_t n);

}  // namespace vouch
