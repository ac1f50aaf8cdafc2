#include "rag/eval/sequential_test.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rag/eval/distributions.h"
#include "rag/eval/seeded_random.h"

namespace vouch {
namespace {

constexpr double kAlpha = 0.05;

// A difference of two systems' figures, in [-1, 1]: mostly none, else of either sign.
double Difference(SeededRandom& random, double gain) {
  if (random.Uniform() < 0.3) return 0;
  const double noise = 0.12 * NormalQuantile(random.Uniform());
  return std::fmin(1, std::fmax(-1, noise + gain));
}

struct FalseAlarms {
  int naive = 0;
  int mixture = 0;
  int sequence = 0;
  int betting = 0;
};

// Runs of `questions` differences with a look after each; who ever sees a difference raises an
// alarm.
FalseAlarms Simulate(int runs, int questions, double gain) {
  FalseAlarms alarms;
  SeededRandom random(20261125);
  for (int run = 0; run < runs; ++run) {
    MixtureTest mixture({.tau2 = 1e-3});
    ConfidenceSequence sequence({.alpha = kAlpha});
    BettingTest betting(0.5, kAlpha);
    RunningMoments moments;
    bool naive = false;
    bool outside = false;
    for (int i = 0; i < questions; ++i) {
      const double difference = Difference(random, gain);
      mixture.Add(difference);
      sequence.Add(difference);
      betting.Add((difference + 1) / 2);
      moments.Add(difference);
      if (i >= 30) {
        const double error = std::sqrt(moments.variance() / static_cast<double>(moments.count()));
        naive = naive || std::abs(moments.mean()) > 1.96 * error;
      }
      const Interval interval = sequence.interval();
      outside = outside || interval.low > 0 || interval.high < 0;
    }
    alarms.naive += naive ? 1 : 0;
    alarms.mixture += mixture.p() <= kAlpha ? 1 : 0;
    alarms.sequence += outside ? 1 : 0;
    alarms.betting += betting.p() <= kAlpha ? 1 : 0;
  }
  return alarms;
}

// The promise: 1,000 A/A experiments, a look after every query, at most 5 % false alarms. The test
// that is not made for looking shows that the simulation could fail.
TEST(SequentialTest, AaExperimentsWithALookAfterEveryQuery) {
  const FalseAlarms alarms = Simulate(1'000, 2'000, 0);
  EXPECT_LE(alarms.mixture, 50);
  EXPECT_LE(alarms.sequence, 50);
  EXPECT_LE(alarms.betting, 50);
  EXPECT_GE(alarms.naive, 350);
  RecordProperty("naive", alarms.naive);
  RecordProperty("mixture", alarms.mixture);
  RecordProperty("sequence", alarms.sequence);
  RecordProperty("betting", alarms.betting);
}

TEST(SequentialTest, AGainIsFound) {
  const FalseAlarms found = Simulate(100, 2'000, 0.03);
  EXPECT_GE(found.mixture, 90);
  EXPECT_GE(found.sequence, 90);
  EXPECT_GE(found.betting, 90);
}

// L = sqrt(s2 / (s2 + n t2)) exp(n² t2 d² / (2 s2 (s2 + n t2))), by hand.
TEST(SequentialTest, MixtureRatioByTheFormula) {
  MixtureTest test({.tau2 = 0.5, .variance = 2});
  for (double d : {1.0, 2.0, 3.0, 2.0}) test.Add(d);
  const double expected = std::sqrt(2.0 / 4) * std::exp(16 * 0.5 * 4 / (2 * 2 * 4.0));
  EXPECT_NEAR(std::exp(test.log_likelihood_ratio()), expected, 1e-12);
  EXPECT_NEAR(test.p(), 1 / expected, 1e-12);
  // The p-value remembers; the ratio does not.
  const double before = test.p();
  for (int i = 0; i < 20; ++i) test.Add(-3);
  test.Add(NAN);
  EXPECT_LE(test.p(), before);
  EXPECT_EQ(test.skipped(), 1);
}

TEST(SequentialTest, ConfidenceSequenceByTheFormula) {
  ConfidenceSequence sequence({.alpha = 0.05, .tightest_at = 500, .burn_in = 2});
  EXPECT_TRUE(std::isinf(sequence.interval().low));
  for (int i = 0; i < 500; ++i) sequence.Add(i % 2 == 0 ? 1 : 3);
  const double log_alpha = -2 * std::log(0.05);
  const double rho2 = (log_alpha + std::log(log_alpha + 1)) / 500;
  const double deviation = std::sqrt(500.0 / 499);
  const double half = deviation * std::sqrt(2 * (500 * rho2 + 1) / (500.0 * 500 * rho2) *
                                            std::log(std::sqrt(500 * rho2 + 1) / 0.05));
  EXPECT_NEAR(sequence.interval().low, 2 - half, 1e-12);
  EXPECT_NEAR(sequence.interval().high, 2 + half, 1e-12);
}

TEST(SequentialTest, BettingTakesOnlyTheUnitInterval) {
  BettingTest test;
  test.Add(1.5);
  test.Add(-0.1);
  test.Add(NAN);
  EXPECT_EQ(test.skipped(), 3);
  EXPECT_EQ(test.count(), 0);
  EXPECT_EQ(test.p(), 1);
  for (int i = 0; i < 60; ++i) test.Add(0.9);
  EXPECT_LT(test.p(), 1e-3);
}

// Jennison and Turnbull, 2000, tables 2.1 and 2.3.
TEST(SequentialTest, GroupSequentialBoundsOfTheTables) {
  const auto pocock = GroupSequentialBounds(GroupSequentialKind::kPocock, 5, 0.05);
  ASSERT_EQ(pocock.size(), 5);
  EXPECT_NEAR(pocock[0], 2.413, 0.001);
  EXPECT_EQ(pocock[0], pocock[4]);
  const auto fleming = GroupSequentialBounds(GroupSequentialKind::kOBrienFleming, 5, 0.05);
  EXPECT_NEAR(fleming[4], 2.040, 0.001);
  EXPECT_NEAR(fleming[0], 2.040 * std::sqrt(5.0), 0.003);
  EXPECT_NEAR(GroupSequentialBounds(GroupSequentialKind::kPocock, 1, 0.05)[0], 1.95996, 1e-4);
  EXPECT_TRUE(GroupSequentialBounds(GroupSequentialKind::kPocock, 0, 0.05).empty());
  EXPECT_TRUE(GroupSequentialBounds(GroupSequentialKind::kPocock, 51, 0.05).empty());
}

TEST(SequentialTest, SampleRatio) {
  EXPECT_NEAR(SampleRatioP({5050, 4950}, {1, 1}), ChiSquareUpper(1.0, 1), 1e-12);
  EXPECT_LT(SampleRatioP({5300, 4700}, {0.5, 0.5}), kSampleRatioAlpha);
  EXPECT_GT(SampleRatioP({100, 9900}, {1, 99}), 0.9);
  EXPECT_EQ(SampleRatioP({0, 0}, {1, 1}), 1);
  EXPECT_EQ(SampleRatioP({5}, {1}), 1);
}

}  // namespace
}  // namespace vouch
