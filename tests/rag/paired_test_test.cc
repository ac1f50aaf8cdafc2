#include "rag/eval/paired_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rag/eval/distributions.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

// Differences with the moments and signs of two BM25 settings on Cranfield: 157 wins and 53 losses,
// spread as exponential quantiles, scaled so that mean and deviation come out.
std::vector<double> CranfieldDifferences() {
  constexpr double kMean = 0.01780;
  constexpr double kDeviation = 0.06624;
  const auto quantiles = [](int count) {
    std::vector<double> values;
    for (int i = 0; i < count; ++i) values.push_back(-std::log((i + 0.5) / count));
    return values;
  };
  const std::vector<double> wins = quantiles(157);
  const std::vector<double> losses = quantiles(53);
  double w = 0, w2 = 0, l = 0, l2 = 0;
  for (double v : wins) w += v, w2 += v * v;
  for (double v : losses) l += v, l2 += v * v;
  // x w - y l = n mean; x² w2 + y² l2 = (n - 1) s² + n mean².
  const double sum = 225 * kMean;
  const double squares = 224 * kDeviation * kDeviation + 225 * kMean * kMean;
  const double a = w2 * l * l / (w * w) + l2;
  const double b = 2 * w2 * sum * l / (w * w);
  const double c = w2 * sum * sum / (w * w) - squares;
  const double y = (-b + std::sqrt(b * b - 4 * a * c)) / (2 * a);
  const double x = (sum + y * l) / w;
  std::vector<double> differences(15, 0.0);
  for (double v : wins) differences.push_back(x * v);
  for (double v : losses) differences.push_back(-y * v);
  return differences;
}

TEST(PairedTest, ReferenceValuesOfCranfield) {
  const std::vector<double> differences = CranfieldDifferences();
  ASSERT_EQ(differences.size(), 225);
  const std::vector<double> a(225, 0.2888);
  std::vector<double> b;
  for (size_t i = 0; i < 225; ++i) b.push_back(a[i] + differences[i]);
  const PairedResult result = ComparePaired(a, b);
  EXPECT_EQ(result.wins, 157);
  EXPECT_EQ(result.losses, 53);
  EXPECT_EQ(result.ties, 15);
  EXPECT_NEAR(result.mean_b, 0.3066, 5e-5);
  EXPECT_NEAR(result.difference, 0.01780, 1e-9);
  EXPECT_NEAR(result.deviation, 0.06624, 1e-9);
  // 4.0304 before mean and deviation were rounded to the five digits that stand above.
  EXPECT_NEAR(result.t, 4.0304, 0.0015);
  EXPECT_NEAR(result.p_t, 7.6e-5, 1e-6);
  EXPECT_LT(result.p, 3e-4);
  EXPECT_NEAR(result.interval.low, 0.0089, 0.001);
  EXPECT_NEAR(result.interval.high, 0.0261, 0.001);
  EXPECT_EQ(result.verdict, Verdict::kBetter);
  EXPECT_EQ(ComparePaired(b, a).verdict, Verdict::kWorse);
}

TEST(PairedTest, PowerAsTheSpecHasIt) {
  EXPECT_NEAR(static_cast<double>(PairsNeeded(0.01, 0.06624, 0.05, 0.8)), 345, 0);
  EXPECT_EQ(PairsNeeded(0, 0.066, 0.05, 0.8), 0);
  EXPECT_EQ(PairsNeeded(NAN, 0.066, 0.05, 0.8), 0);
  const double detectable = DetectableDifference(345, 0.06624, 0.05, 0.8);
  EXPECT_NEAR(detectable, 0.01, 1e-4);
  EXPECT_NEAR(PowerOf(345, detectable, 0.06624, 0.05), 0.8, 1e-6);
  EXPECT_NEAR(PowerOf(345, 0, 0.06624, 0.05), 0.05, 1e-12);
}

TEST(PairedTest, ExactRandomisationByHand) {
  // Of the 8 signs of {1, 2, 4} only all plus and all minus reach |7|.
  const PairedResult result = ComparePaired({0, 0, 0}, {1, 2, 4});
  EXPECT_DOUBLE_EQ(result.p, 2.0 / 8);
  // Of {1, 1, -1, 0}: |sum| of 1 or more is reached by all 8.
  EXPECT_DOUBLE_EQ(ComparePaired({0, 0, 1, 5}, {1, 1, 0, 5}).p, 1);
  // Equal sums in another order count, in spite of rounding.
  EXPECT_DOUBLE_EQ(ComparePaired({0, 0, 0, 0}, {0.1, 0.2, 0.3, -0.6}).p, 1);
}

TEST(PairedTest, SampledRandomisationAgreesWithTheExactOne) {
  std::vector<double> b;
  SeededRandom random(7);
  for (int i = 0; i < 20; ++i) b.push_back(random.Uniform() - 0.4);
  const std::vector<double> a(20, 0.0);
  const double exact = ComparePaired(a, b).p;
  // A 21st difference that changes nothing else makes the test draw signs.
  b.push_back(1e-9);
  EXPECT_NEAR(ComparePaired(std::vector<double>(21, 0.0), b).p, exact, 0.005);
}

TEST(PairedTest, NothingOneAndTies) {
  const PairedResult none = ComparePaired({}, {});
  EXPECT_EQ(none.pairs, 0);
  EXPECT_TRUE(std::isnan(none.difference));
  EXPECT_EQ(none.verdict, Verdict::kCannotTell);

  const PairedResult one = ComparePaired({0.2}, {0.9}, {.margin = 0.5});
  EXPECT_DOUBLE_EQ(one.difference, 0.7);
  EXPECT_EQ(one.p, 1);
  EXPECT_TRUE(std::isnan(one.interval.low));
  EXPECT_EQ(one.verdict, Verdict::kCannotTell);

  const std::vector<double> same = {0.1, 0.5, 0.9};
  const PairedResult ties = ComparePaired(same, same);
  EXPECT_EQ(ties.ties, 3);
  EXPECT_EQ(ties.p, 1);
  EXPECT_EQ(ties.p_t, 1);
  EXPECT_EQ(ties.interval.low, 0);
  EXPECT_EQ(ties.verdict, Verdict::kCannotTell);
  EXPECT_EQ(ComparePaired(same, same, {.margin = 0.01}).verdict, Verdict::kNoWorse);
}

TEST(PairedTest, MissingFiguresAreCountedAndLeftOut) {
  const PairedResult result = ComparePaired({0.1, NAN, 0.3, 0.2}, {0.2, 0.5, INFINITY, 0.4});
  EXPECT_EQ(result.pairs, 2);
  EXPECT_EQ(result.missing, 2);
  EXPECT_NEAR(result.difference, 0.15, 1e-12);
}

TEST(PairedTest, ALossWithinTheMarginIsNoRegressionOnlyWithEnoughQuestions) {
  const auto verdict = [](size_t questions) {
    std::vector<double> a(questions), b(questions);
    SeededRandom random(3);
    for (size_t i = 0; i < questions; ++i) {
      a[i] = 0.5;
      b[i] = 0.5 + 0.1 * (random.Uniform() - 0.5);
    }
    return ComparePaired(a, b, {.margin = 0.01}).verdict;
  };
  EXPECT_EQ(verdict(8), Verdict::kCannotTell);
  EXPECT_EQ(verdict(400), Verdict::kNoWorse);
}

TEST(PairedTest, HolmStepsDown) {
  EXPECT_THAT(HolmAdjust({0.01, 0.04, 0.03, 0.005}),
              ElementsAre(DoubleNear(0.03, 1e-12), DoubleNear(0.06, 1e-12),
                          DoubleNear(0.06, 1e-12), DoubleNear(0.02, 1e-12)));
  EXPECT_THAT(HolmAdjust({0.6, NAN}), ElementsAre(1, 1));
  EXPECT_TRUE(HolmAdjust({}).empty());
}

TEST(PairedTest, UnderNoDifferenceItErrsAsOftenAsItSays) {
  constexpr int kRuns = 400;
  int found = 0;
  SeededRandom random(99);
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> a(40), b(40);
    for (size_t i = 0; i < 40; ++i) a[i] = random.Uniform(), b[i] = random.Uniform();
    const PairedResult result =
        ComparePaired(a, b, {.randomisations = 999, .resamples = 200, .seed = random.Next()});
    found += result.p <= 0.05 ? 1 : 0;
  }
  EXPECT_GE(found, kRuns * 2 / 100);
  EXPECT_LE(found, kRuns * 8 / 100);
}

}  // namespace
}  // namespace vouch
