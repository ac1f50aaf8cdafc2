#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rag/eval/burn_rate.h"
#include "rag/eval/distributions.h"
#include "rag/eval/drift_test.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

std::vector<double> Draw(SeededRandom& random, int count, double moved_share) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) {
    const bool moved = random.Uniform() < moved_share;
    values.push_back(NormalQuantile(random.Uniform()) + (moved ? 3 : 0));
  }
  return values;
}

struct Alarms {
  int stability = 0;
  int folklore = 0;  // an index above 0.1
  int smirnov = 0;
};

Alarms CountAlarms(int windows, double moved_share, double alpha) {
  Alarms alarms;
  SeededRandom random(20261125);
  for (int i = 0; i < windows; ++i) {
    const std::vector<double> reference = Draw(random, 500, 0);
    const std::vector<double> window = Draw(random, 500, moved_share);
    // The edges come from a draw of their own: those of the reference itself would fit it too well.
    const QuantileBins bins(Draw(random, 5'000, 0), 30);
    const double index = PopulationStability(bins.Count(reference), bins.Count(window));
    alarms.stability += index > PopulationStabilityLimit(bins.size(), 500, 500, alpha) ? 1 : 0;
    alarms.folklore += index > 0.1 ? 1 : 0;
    alarms.smirnov += CompareDistributions(reference, window).p <= alpha ? 1 : 0;
  }
  return alarms;
}

TEST(DriftTest, AlarmsWithoutDriftAsOftenAsItSays) {
  const Alarms alarms = CountAlarms(1'000, 0, 0.05);
  EXPECT_LE(alarms.stability, 70);
  EXPECT_GE(alarms.stability, 20);
  EXPECT_LE(alarms.smirnov, 70);
  EXPECT_GE(alarms.smirnov, 20);
  EXPECT_GE(alarms.folklore, 500);  // what a fixed threshold does
}

// By 30 bins of one figure, two windows of three find it at a false-alarm rate of 1 %.
TEST(DriftTest, ANewTopicInATenthOfTheQueriesIsMostlyFound) {
  const Alarms alarms = CountAlarms(100, 0.1, 0.01);
  EXPECT_GE(alarms.stability, 55);
}

TEST(DriftTest, LimitsByTheFormula) {
  EXPECT_NEAR(PopulationStabilityLimit(11, 500, 500, 0.05), 18.307038053275146 * 2 / 500, 1e-9);
  EXPECT_TRUE(std::isinf(PopulationStabilityLimit(1, 500, 500, 0.05)));
  EXPECT_TRUE(std::isinf(PopulationStabilityLimit(5, 0, 500, 0.05)));
  EXPECT_EQ(PopulationStability({5, 5}, {5, 5}), 0);
  const QuantileBins equal({1, 1, 1}, 4);
  EXPECT_EQ(equal.size(), 1);
  EXPECT_THAT(QuantileBins({1, 2, 3, 4}, 2).Count({0, 3, NAN, 9}), ElementsAre(1, 2));
}

TEST(DriftTest, SmirnovByHand) {
  EXPECT_DOUBLE_EQ(CompareDistributions({1, 2, 3}, {2, 3, 4}).distance, 1.0 / 3);
  EXPECT_DOUBLE_EQ(CompareDistributions({1, 2}, {3, 4}).distance, 1);
  EXPECT_EQ(CompareDistributions({1, 1, 1}, {1, 1, 1}).p, 1);
  EXPECT_EQ(CompareDistributions({}, {1}).p, 1);
}

TEST(DriftTest, BenjaminiHochbergStepsUp) {
  EXPECT_THAT(BenjaminiHochberg({0.01, 0.04, 0.03, 0.5}),
              ElementsAre(DoubleNear(0.04, 1e-12), DoubleNear(0.04 * 4 / 3, 1e-12),
                          DoubleNear(0.04 * 4 / 3, 1e-12), DoubleNear(0.5, 1e-12)));
}

TEST(BurnRateTest, ThresholdsOfTheWorkbook) {
  constexpr int64_t kHour = 3'600;
  constexpr int64_t kMonth = 30 * 24 * kHour;
  EXPECT_DOUBLE_EQ(BurnThreshold(0.02, kMonth, kHour), 14.4);
  EXPECT_DOUBLE_EQ(BurnThreshold(0.05, kMonth, 6 * kHour), 6);
  EXPECT_DOUBLE_EQ(BurnThreshold(0.10, kMonth, 72 * kHour), 1);
  EXPECT_NEAR(GreatestBurn(0.999), 1000, 1e-6);
  EXPECT_NEAR(GreatestBurn(0.95), 20, 1e-9);
  EXPECT_NEAR(GreatestBurn(0.90), 10, 1e-9);
  for (double objective : {0.90, 0.93, 0.95, 0.999}) {
    for (const BurnRule& rule : RulesFor(objective)) {
      EXPECT_LT(rule.burn, GreatestBurn(objective)) << objective;
    }
  }
}

TEST(BurnRateTest, OneBadOfTwoPagesNobody) {
  const BurnRule rule = RulesFor(0.999)[0];
  EXPECT_FALSE(CheckBurn(0.999, rule, {1, 2}, {1, 2}).fires);
  EXPECT_FALSE(CheckBurn(0.999, rule, {1, 40}, {1, 40}).fires);  // 25 times by what was seen
  EXPECT_GT(CheckBurn(0.999, rule, {1, 40}, {1, 40}).burn, 14.4);
  EXPECT_TRUE(CheckBurn(0.999, rule, {100, 2'000}, {20, 200}).fires);
  EXPECT_FALSE(CheckBurn(0.999, rule, {100, 2'000}, {0, 200}).fires);  // it is over
  EXPECT_FALSE(CheckBurn(1, rule, {100, 2'000}, {20, 200}).fires);
  EXPECT_EQ(CheckBurn(0.999, rule, {0, 0}, {0, 0}).burn, 0);
}

TEST(BurnRateTest, BudgetAndJudgesErrors) {
  EXPECT_NEAR(BudgetSpent(0.99, {5, 1'000}), 0.5, 1e-9);
  EXPECT_NEAR(BudgetSpent(0.99, {20, 1'000}), 2, 1e-9);
  EXPECT_EQ(BudgetSpent(0.99, {}), 0);
  EXPECT_NEAR(CorrectedShare(0.26, 0.9, 0.9), 0.2, 1e-12);
  EXPECT_EQ(CorrectedShare(0.05, 0.9, 0.9), 0);
  EXPECT_TRUE(std::isnan(CorrectedShare(0.5, 0.5, 0.5)));
}

}  // namespace
}  // namespace vouch
