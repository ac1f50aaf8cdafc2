#include "index/multi/max_sim.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/dense/kernels.h"
#include "index/multi/max_sim_kernels.h"
#include "tests/index/multi/naive_max_sim.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;

MultiVector Random(std::mt19937_64& random, uint32_t dim, size_t tokens) {
  std::normal_distribution<float> normal;
  MultiVector vector = {.dim = dim, .values = std::vector<float>(dim * tokens)};
  for (float& value : vector.values) value = normal(random) * std::exp2(static_cast<float>(random() % 12));
  return vector;
}

TEST(MaxSimKernels, AllVariantsGiveTheDefinedBits) {
  const uint64_t seed = 20261126;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (uint32_t dim = 1; dim <= 70; ++dim) {
    const MultiVector query = Random(random, dim, 4 * (1 + random() % 3));
    const MultiVector document = Random(random, dim, 1 + random() % 11);
    std::vector<float> wanted;
    for (size_t i = 0; i < query.tokens(); ++i) {
      float best = -std::numeric_limits<float>::infinity();
      for (size_t j = 0; j < document.tokens(); ++j) {
        best = std::max(best, -AvailableKernels()[0].negative_ip(query.token(i).data(), document.token(j).data(), dim));
      }
      wanted.push_back(best);
    }
    for (const MaxSimKernels& kernels : AvailableMaxSimKernels()) {
      std::vector<float> best(query.tokens(), -std::numeric_limits<float>::infinity());
      kernels.best(query.values.data(), query.tokens(), document.values.data(), document.tokens(), dim, best.data());
      for (size_t i = 0; i < best.size(); ++i) {
        EXPECT_EQ(std::bit_cast<uint32_t>(best[i]), std::bit_cast<uint32_t>(wanted[i]))
            << kernels.name << " dim " << dim << " query token " << i;
      }
    }
  }
}

TEST(MaxSimKernels, WhatWasFoundBeforeStaysWhereItIsGreater) {
  const float query[8] = {1, 0, 0, 1, 1, 1, 0, 0};
  const float document[4] = {2, 3, 4, 1};
  for (const MaxSimKernels& kernels : AvailableMaxSimKernels()) {
    float best[4] = {10, 1, 6.5f, -1};
    kernels.best(query, 4, document, 2, 2, best);
    EXPECT_THAT(best, ElementsAre(10, 3, 6.5f, 0)) << kernels.name;
  }
}

// Products that overflow to +infinity − infinity are NaN, which is no maximum.
TEST(MaxSimKernels, NanCountsAsTheLeast) {
  const float big = std::numeric_limits<float>::max();
  std::vector<float> query(4 * 17, 0.0f);
  query[0] = query[1] = 2;
  query[17] = 1;
  std::vector<float> document(3 * 17, 0.0f);
  document[0] = big;  // 2 · big overflows
  document[1] = -big;
  document[17] = 5;
  for (const MaxSimKernels& kernels : AvailableMaxSimKernels()) {
    std::vector<float> best(4, -std::numeric_limits<float>::infinity());
    kernels.best(query.data(), 4, document.data(), 1, 17, best.data());
    EXPECT_EQ(best[0], -std::numeric_limits<float>::infinity()) << kernels.name;
    EXPECT_EQ(best[1], big) << kernels.name;
    kernels.best(query.data(), 4, document.data(), 3, 17, best.data());
    EXPECT_EQ(best[0], 10) << kernels.name;
  }
}

// Two query tokens on a plane, three of a document: drawn by hand.
TEST(MaxSim, SumsTheBestMatchOfEachQueryToken) {
  MaxSim max_sim({.dim = 2, .values = {1, 0, 0, 2}});
  const std::vector<float> document = {0.5f, 0.25f, 0.5f, -1, -3, 0.5f};
  EXPECT_EQ(max_sim.Score(document), 0.5f + 1.0f);
  const std::vector<TokenMatch> matches = max_sim.Matches(document);
  ASSERT_EQ(matches.size(), 2u);
  EXPECT_EQ(matches[0].query_token, 0u);
  EXPECT_EQ(matches[0].token, 0u) << "the first of two that are alike";
  EXPECT_EQ(matches[0].score, 0.5f);
  EXPECT_EQ(matches[1].query_token, 1u);
  EXPECT_EQ(matches[1].token, 2u);
  EXPECT_EQ(matches[1].score, 1.0f);
}

TEST(MaxSim, EqualsItsDefinitionAndItsMatchesAddUp) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200; ++i) {
    const auto dim = static_cast<uint32_t>(1 + random() % 40);
    const MultiVector query = Random(random, dim, 1 + random() % 9);
    const MultiVector document = Random(random, dim, 1 + random() % 20);
    MaxSim max_sim(query);
    const float score = max_sim.Score(document.values);
    EXPECT_EQ(score, NaiveMaxSim(query, document));
    EXPECT_EQ(score, max_sim.Score(document.values)) << "a second time";
    double sum = 0;
    for (const TokenMatch& match : max_sim.Matches(document.values)) {
      const float distance = BestKernels().negative_ip(query.token(match.query_token).data(),
                                                       document.token(match.token).data(), dim);
      EXPECT_EQ(match.score, ScoreOfDistance(distance));
      sum += double{match.score};
    }
    EXPECT_EQ(static_cast<float>(sum), score);
  }
}

TEST(MaxSim, OverflowIsNeverNan) {
  const float big = std::numeric_limits<float>::max();
  MaxSim max_sim({.dim = 1, .values = {big, -big}});
  EXPECT_EQ(max_sim.Score(std::vector<float>{big}), -std::numeric_limits<float>::infinity());
}

TEST(NormalizeTokens, EachAloneAndOnlyUnderCosine) {
  MultiVector vector = {.dim = 2, .values = {3, 4, 0, -2}};
  NormalizeTokens(Metric::kInnerProduct, vector);
  EXPECT_THAT(vector.values, ElementsAre(3, 4, 0, -2));
  NormalizeTokens(Metric::kCosine, vector);
  EXPECT_THAT(vector.values, ElementsAre(0.6f, 0.8f, 0, -1));
}

}  // namespace
}  // namespace vouch
