// Estimates that hold at every look.
#include "rag/eval/always_valid.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rag/eval/seeded_random.h"
#include "rag/eval/sequential_test.h"

namespace vouch {
namespace {

FigureSums Shares(uint64_t ones, uint64_t all) {
  return {.count = all, .sum = static_cast<double>(ones), .squares = static_cast<double>(ones)};
}

TEST(AlwaysValid, TheDifferenceOfTwoArmsIsThatOfTheirMeansWithinStrata) {
  const AlwaysValidEstimate one = DifferenceOfArms({{Shares(50, 100), Shares(80, 100)}}, {});
  ASSERT_TRUE(one.known);
  EXPECT_DOUBLE_EQ(one.value, 0.3);
  EXPECT_GT(one.interval.low, 0);
  EXPECT_NEAR(one.interval.high - one.value, one.value - one.interval.low, 1e-12);
  // The arms are alike within each stratum; thrown together they would differ by 0.24.
  const AlwaysValidEstimate two =
      DifferenceOfArms({{Shares(90, 100), Shares(9, 10)}, {Shares(1, 10), Shares(10, 100)}},
                       {.min_count = 10});
  ASSERT_TRUE(two.known);
  EXPECT_NEAR(two.value, 0, 1e-12);
  // Twice the champion's is what is compared with.
  const AlwaysValidEstimate scaled =
      DifferenceOfArms({{Shares(10, 100), Shares(30, 100)}}, {.champion_scale = 2});
  EXPECT_NEAR(scaled.value, 0.1, 1e-12);
}

TEST(AlwaysValid, TooFewValuesSayNothing) {
  EXPECT_FALSE(DifferenceOfArms({{Shares(0, 100), Shares(19, 19)}}, {}).known);
  EXPECT_FALSE(DifferenceOfArms({}, {}).known);
  EXPECT_FALSE(MeanAtAnyTime(Shares(3, 3), {}).known);
  // Few equal values do not look certain, where they could have been others.
  const AlwaysValidEstimate mean = MeanAtAnyTime(Shares(20, 20), {});
  ASSERT_TRUE(mean.known);
  EXPECT_LT(mean.interval.low, 0.95);
}

TEST(AlwaysValid, EvidenceOfMoreIsTheMeanOfFourLikelihoodRatios) {
  double sum = 0;
  for (double way : {0.05, 0.15, 0.4, 0.8}) {
    const double q = 0.05 + 0.95 * way;
    sum += std::pow(q / 0.05, 3) * std::pow((1 - q) / 0.95, 7);
  }
  EXPECT_NEAR(LogEvidenceOfMore(3, 10, 0.05), std::log(sum / 4), 1e-12);
  EXPECT_LT(LogEvidenceOfMore(1, 2, 0.05), std::log(20));
  EXPECT_GT(LogEvidenceOfMore(10, 10, 0.05), std::log(1e6));
  EXPECT_LT(LogEvidenceOfMore(0, 1'000, 0.05), 0);
}

TEST(AlwaysValid, SharesThatHoldRaiseNoAlarmAndOthersDo) {
  int alarms = 0;
  for (uint64_t run = 0; run < 300; ++run) {
    SeededRandom random(run);
    SampleRatio sample;
    for (int i = 0; i < 1'000; ++i) {
      const double share = i < 300 ? 0.1 : 0.5;  // as a ramp has it
      sample.Add(random.Uniform() < share, share);
      if (sample.p() < kSampleRatioAlpha) {
        ++alarms;
        break;
      }
    }
  }
  EXPECT_LE(alarms, 1);
  SeededRandom random(7);
  SampleRatio sample;
  // A fifth of the challenger's callers is lost on the way.
  while (sample.callers < 5'000 && sample.p() >= kSampleRatioAlpha)
    sample.Add(random.Uniform() < 0.4, 0.5);
  EXPECT_LT(sample.callers, 2'000u);
}

}  // namespace
}  // namespace vouch
