#include "rag/eval/distributions.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rag/eval/interval.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

TEST(DistributionsTest, TabledValues) {
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(NormalQuantile(0.8), 0.8416212335729143, 1e-12);
  EXPECT_NEAR(NormalQuantile(1e-10), -6.361340902404, 1e-9);
  EXPECT_NEAR(NormalCdf(-1.959963984540054), 0.025, 1e-14);
  EXPECT_NEAR(StudentTwoSidedP(2.2281388519862747, 10), 0.05, 1e-12);
  EXPECT_NEAR(StudentTwoSidedP(-12.706204736174707, 1), 0.05, 1e-12);
  EXPECT_NEAR(StudentQuantile(0.975, 10), 2.2281388519862747, 1e-10);
  EXPECT_NEAR(ChiSquareUpper(3.841458820694124, 1), 0.05, 1e-12);
  EXPECT_NEAR(ChiSquareUpper(18.307038053275146, 10), 0.05, 1e-12);
  EXPECT_NEAR(ChiSquareQuantile(0.95, 10), 18.307038053275146, 1e-9);
  EXPECT_NEAR(BetaCdf(0.5, 2, 2), 0.5, 1e-14);
  EXPECT_NEAR(BetaCdf(0.25, 1, 3), 1 - std::pow(0.75, 3), 1e-14);
}

TEST(DistributionsTest, QuantilesInvertTheirDistributions) {
  for (double p : {1e-6, 0.01, 0.3, 0.5, 0.77, 0.999}) {
    EXPECT_NEAR(NormalCdf(NormalQuantile(p)), p, 1e-13);
    EXPECT_NEAR(BetaCdf(BetaQuantile(p, 3, 7), 3, 7), p, 1e-10);
    EXPECT_NEAR(1 - ChiSquareUpper(ChiSquareQuantile(p, 4), 4), p, 1e-10);
  }
}

TEST(DistributionsTest, OutOfRangeIsNoNumber) {
  EXPECT_TRUE(std::isnan(NormalQuantile(-0.1)));
  EXPECT_TRUE(std::isnan(StudentTwoSidedP(1, 0)));
  EXPECT_TRUE(std::isnan(ChiSquareUpper(NAN, 3)));
  EXPECT_TRUE(std::isnan(BetaCdf(0.5, 0, 1)));
  EXPECT_TRUE(std::isinf(NormalQuantile(1)));
}

// R: binom::binom.confint(2, 10).
TEST(IntervalTest, SharesByWilsonAndExactly) {
  const Interval wilson = WilsonInterval(2, 10, 0.95);
  EXPECT_NEAR(wilson.low, 0.05668215, 1e-7);
  EXPECT_NEAR(wilson.high, 0.5098375, 1e-7);
  const Interval exact = ExactInterval(2, 10, 0.95);
  EXPECT_NEAR(exact.low, 0.02521073, 1e-7);
  EXPECT_NEAR(exact.high, 0.5560955, 1e-7);
  EXPECT_EQ(ExactInterval(0, 10, 0.95).low, 0);
  EXPECT_EQ(ExactInterval(10, 10, 0.95).high, 1);
  EXPECT_EQ(WilsonInterval(0, 0, 0.95).high, 1);
}

TEST(IntervalTest, FewValuesSayNothingAndEqualOnesAllThereIs) {
  EXPECT_TRUE(std::isnan(BootstrapMean({}).low));
  EXPECT_TRUE(std::isnan(BootstrapMean({0.5}).high));
  const Interval equal = BootstrapMean({0.3, 0.3, 0.3});
  EXPECT_EQ(equal.low, 0.3);
  EXPECT_EQ(equal.high, 0.3);
}

TEST(IntervalTest, SameSeedSameBits) {
  const std::vector<double> values = {0.1, 0.9, 0.4, 0.35, 0.0, 1.0};
  EXPECT_EQ(BootstrapMean(values).low, BootstrapMean(values).low);
  EXPECT_NE(BootstrapMean(values, {.seed = 1}).low, BootstrapMean(values, {.seed = 2}).low);
}

// 400 draws of 60 values of a lognormal distribution, whose mean is known: the intervals hold it
// nearly as often as they say, BCa, which knows of the skew, more often than the percentiles.
TEST(IntervalTest, CoversTheMeanOfASkewedDistribution) {
  const double mean = std::exp(0.5);
  int percentile = 0;
  int bca = 0;
  constexpr int kDraws = 400;
  SeededRandom random(20261125);
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<double> values(60);
    for (double& value : values) value = std::exp(NormalQuantile(random.Uniform()));
    const auto holds = [&](BootstrapKind kind) {
      const Interval interval = BootstrapMean(
          values, {.kind = kind, .resamples = 1'000, .seed = static_cast<uint64_t>(draw)});
      return interval.low <= mean && mean <= interval.high ? 1 : 0;
    };
    percentile += holds(BootstrapKind::kPercentile);
    bca += holds(BootstrapKind::kBca);
  }
  EXPECT_GE(bca, kDraws * 88 / 100);
  EXPECT_GE(percentile, kDraws * 84 / 100);
  EXPECT_GE(bca, percentile);
}

}  // namespace
}  // namespace vouch
