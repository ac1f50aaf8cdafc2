#include "query/reliability.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace vouch {
namespace {

// `rows` scores of a normal distribution, of which the first `known` are lifted by `lift`.
struct SampleScores {
  std::vector<RankedRow> hits;
  std::vector<float> sample;
};
SampleScores Draw(uint64_t seed, size_t rows, size_t known, double lift) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  SampleScores scores;
  for (size_t i = 0; i < rows; ++i) {
    const double score = normal(random) + (i < known ? lift : 0);
    scores.hits.push_back({RowId(i), score});
    if (i % 4 == 0) scores.sample.push_back(static_cast<float>(score));
  }
  std::sort(scores.hits.begin(), scores.hits.end());
  scores.hits.resize(std::min<size_t>(rows, 100));
  return scores;
}

TEST(ExpectedNormalHeight, KnownValues) {
  // Expected order statistics of normal samples (Harter, 1961): the greatest of 2, 10, 100 and
  // 1000.
  EXPECT_NEAR(ExpectedNormalHeight(1, 2), 0.5642, 0.03);
  EXPECT_NEAR(ExpectedNormalHeight(1, 10), 1.5388, 0.02);
  EXPECT_NEAR(ExpectedNormalHeight(1, 100), 2.5076, 0.02);
  EXPECT_NEAR(ExpectedNormalHeight(1, 1000), 3.2414, 0.02);
  EXPECT_NEAR(ExpectedNormalHeight(2, 3), 0.8463 / 2, 0.02);
  EXPECT_NEAR(ExpectedNormalHeight(10, 10), 0, 1e-12);
}

TEST(EstimateReliability, NoiseCountsLittleAndKnowledgeMuch) {
  double noise = 0;
  double knowledge = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const SampleScores blind = Draw(seed, 1000, 0, 0);
    noise += EstimateReliability(blind.hits, blind.sample, 1000).weight / 20;
    const SampleScores seeing = Draw(seed, 1000, 20, 8);
    knowledge += EstimateReliability(seeing.hits, seeing.sample, 1000).weight / 20;
  }
  EXPECT_LT(noise, 0.15);
  EXPECT_GT(knowledge, 0.7);
}

TEST(EstimateReliability, ScaleAndOriginDoNotCount) {
  SampleScores scores = Draw(3, 500, 10, 3);
  const double weight = EstimateReliability(scores.hits, scores.sample, 500).weight;
  for (RankedRow& hit : scores.hits) hit.score = 8 * hit.score - 40;
  for (float& score : scores.sample) score = 8 * score - 40;
  EXPECT_NEAR(EstimateReliability(scores.hits, scores.sample, 500).weight, weight, 1e-4);
}

TEST(EstimateReliability, NothingCanBeSaid) {
  const std::vector<RankedRow> hits = {{RowId(1), 3}, {RowId(2), 1}};
  const std::vector<float> flat = {2, 2, 2};
  const std::vector<float> sample = {3, 1, 0};
  EXPECT_EQ(EstimateReliability({}, sample, 3).weight, 1);
  EXPECT_EQ(EstimateReliability(hits, {}, 3).weight, 1);
  EXPECT_EQ(EstimateReliability(hits, flat, 3).weight, 1);
  EXPECT_EQ(EstimateReliability(hits, sample, 2).weight, 1);
  const std::vector<float> infinite = {INFINITY, 1, 0};
  EXPECT_EQ(EstimateReliability(hits, infinite, 3).weight, 1);
}

TEST(EstimateReliability, AtLeastTheFloor) {
  const std::vector<RankedRow> hits = {{RowId(1), 1}, {RowId(2), 1}, {RowId(3), 0}};
  const std::vector<float> sample = {1, 1, 0, 0, 1, 0};
  EXPECT_EQ(EstimateReliability(hits, sample, 1000).weight, ReliabilityLimits::kFloor);
}

}  // namespace
}  // namespace vouch
