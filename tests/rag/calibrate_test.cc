#include "rag/eval/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>


namespace vouch {
namespace {

using ::testing::HasSubstr;

std::vector<CalibrationSample> Samples(
    const std::vector<std::tuple<bool, double, bool>>& samples) {
  std::vector<CalibrationSample> made;
  for (const auto& [answered, score, wrong] : samples)
    made.push_back({.answered = answered, .score = score, .wrong = wrong});
  return made;
}

TEST(Calibrate, TheCurveOfAFewQuestions) {
  const std::vector<CalibrationPoint> curve = RiskCoverageCurve(Samples({{true, 1.0, false},
                                                                         {true, 0.5, true},
                                                                         {false, 0, false},
                                                                         {true, 1.0, false},
                                                                         {true, 0.8, false}}));
  ASSERT_EQ(curve.size(), 3u);
  EXPECT_EQ(curve[0].threshold, 0);  // the lowest score, and all below
  EXPECT_EQ(curve[0].answered, 4u);
  EXPECT_EQ(curve[0].wrong, 1u);
  EXPECT_DOUBLE_EQ(curve[0].coverage, 0.8);
  EXPECT_DOUBLE_EQ(curve[0].risk, 0.25);
  EXPECT_EQ(curve[1].threshold, 0.8);
  EXPECT_EQ(curve[1].answered, 3u);
  EXPECT_EQ(curve[1].wrong, 0u);
  EXPECT_EQ(curve[2].threshold, 1.0);
  EXPECT_EQ(curve[2].answered, 2u);
}

TEST(Calibrate, ForACoverageTheHighestThresholdThatKeepsIt) {
  std::vector<CalibrationSample> samples;
  for (int i = 0; i < 100; ++i)
    samples.push_back({.answered = true, .score = i / 100.0, .wrong = i < 20});
  const CalibrationChoice choice = ChooseThreshold(samples, {.coverage = 0.7}).value();
  EXPECT_TRUE(choice.met);
  EXPECT_DOUBLE_EQ(choice.chosen.threshold, 0.30);
  EXPECT_DOUBLE_EQ(choice.chosen.coverage, 0.7);
  EXPECT_EQ(choice.chosen.wrong, 0u);
  EXPECT_LT(choice.coverage.low, 0.7);
  EXPECT_GT(choice.coverage.high, 0.7);
  samples[0].answered = false;
  EXPECT_FALSE(ChooseThreshold(samples, {.coverage = 1.0})->met);
}

TEST(Calibrate, ForARiskItsBoundIsBelowTheTarget) {
  std::vector<CalibrationSample> samples;
  for (int i = 0; i < 1'000; ++i) {
    // Below a score of one half every other answer is wrong, above it one in fifty.
    samples.push_back({.answered = true,
                       .score = i / 1'000.0,
                       .wrong = i < 500 ? i % 2 == 0 : i % 50 == 0});
  }
  const CalibrationChoice choice = ChooseThreshold(samples, {.risk = 0.1}).value();
  EXPECT_TRUE(choice.met);
  EXPECT_LE(choice.risk_bound, 0.1);
  EXPECT_LT(choice.chosen.risk, 0.1);
  EXPECT_GT(choice.chosen.threshold, 0.3);
  EXPECT_LT(choice.chosen.threshold, 0.6) << "as low as may be";
  EXPECT_LT(choice.risk.low, choice.chosen.risk);
  EXPECT_FALSE(ChooseThreshold(samples, {.risk = 0.001})->met) << "too few questions to know that";
}

// What is promised: over many datasets, the true risk at the chosen threshold passes the target in no
// more than 1 - confidence of them.
TEST(Calibrate, ThePromiseHoldsOverManyDatasets) {
  constexpr uint64_t kSeed = 20261126;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> uniform(0, 1);
  constexpr double kTarget = 0.2;
  // An answer of score s is wrong with a chance of (1 - s) / 1.25; the risk above t is (1 - t) / 2.5.
  const auto true_risk = [](double threshold) { return (1 - threshold) / 2.5; };
  int chosen = 0, broken = 0;
  constexpr int kDatasets = 400;
  for (int i = 0; i < kDatasets; ++i) {
    std::vector<CalibrationSample> samples;
    for (int n = 0; n < 300; ++n) {
      const double score = uniform(random);
      samples.push_back(
          {.answered = true, .score = score, .wrong = uniform(random) < (1 - score) / 1.25});
    }
    const CalibrationChoice choice =
        ChooseThreshold(samples, {.risk = kTarget, .confidence = 0.9}).value();
    if (!choice.met) continue;
    ++chosen;
    broken += true_risk(choice.chosen.threshold) > kTarget ? 1 : 0;
  }
  EXPECT_GT(chosen, kDatasets / 2);
  EXPECT_LE(broken, kDatasets / 10);
}

TEST(Calibrate, TargetsAreChecked) {
  const std::vector<CalibrationSample> one = {{.answered = true, .score = 1}};
  EXPECT_THAT(ChooseThreshold(one, {}).status().message(), HasSubstr("takes one target"));
  EXPECT_THAT(ChooseThreshold(one, {.risk = 0.1, .coverage = 0.5}).status().message(),
              HasSubstr("takes one target"));
  EXPECT_THAT(ChooseThreshold(one, {.risk = 1.5}).status().message(), HasSubstr("risk is 1.5"));
  EXPECT_THAT(ChooseThreshold(one, {.coverage = 0.0}).status().message(),
              HasSubstr("coverage is 0"));
  EXPECT_THAT(ChooseThreshold(one, {.risk = 0.1, .confidence = 1.0}).status().message(),
              HasSubstr("confidence is 1"));
  EXPECT_EQ(ChooseThreshold({}, {.risk = 0.1}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const CalibrationChoice none = ChooseThreshold({CalibrationSample()}, {.risk = 0.1}).value();
  EXPECT_FALSE(none.met) << "nothing was answered";
}

}  // namespace
}  // namespace vouch
