#include "query/fuse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vouch {
namespace {

using RankedRows = std::vector<RankedRow>;

RankedRows Fused(const std::vector<RankedRows>& lists, FusionMethod method, double k = 60,
           std::vector<double> weights = {}) {
  std::vector<FusionLeg> legs;
  for (size_t i = 0; i < lists.size(); ++i) {
    legs.push_back({.hits = &lists[i],
                    .scale = ScoreScale::Of(method, k, {.hits = &lists[i]}),
                    .weight = weights.empty() ? 1 : weights[i]});
  }
  return Fuse(legs);
}
RankedRows Rrf(const std::vector<RankedRows>& lists, double k, std::vector<double> weights = {}) {
  return Fused(lists, FusionMethod::kRrf, k, std::move(weights));
}
// The values of a list's hits.
std::vector<double> Values(FusionMethod method, const RankedRows& hits,
                           std::optional<double> lowest = std::nullopt, bool complete = false,
                           size_t rows = 1000) {
  const ScoreScale scale = ScoreScale::Of(
      method, 60, {.hits = &hits, .lowest = lowest, .complete = complete, .rows = rows});
  std::vector<double> values;
  for (size_t i = 0; i < hits.size(); ++i) values.push_back(scale.Value(hits[i].score, i + 1));
  return values;
}
RankedRows Scores(const std::vector<double>& scores) {
  RankedRows rows;
  for (double score : scores) rows.push_back({RowId(rows.size()), score});
  return rows;
}

TEST(FuseRrf, AddsReciprocalRanks) {
  const RankedRows fused = Rrf({{{RowId(5), 0.9}, {RowId(7), 0.8}}, {{RowId(7), 12.0}}}, 60);
  ASSERT_EQ(fused.size(), 2u);
  EXPECT_EQ(fused[0], (RankedRow{RowId(7), 1.0 / 62 + 1.0 / 61}));
  EXPECT_EQ(fused[1], (RankedRow{RowId(5), 1.0 / 61}));
}

TEST(FuseRrf, WeightsCount) {
  const RankedRows fused = Rrf({{{RowId(1), 1}}, {{RowId(2), 1}}}, 1, {1.0, 3.0});
  EXPECT_EQ(fused[0], (RankedRow{RowId(2), 1.5}));
  EXPECT_EQ(fused[1], (RankedRow{RowId(1), 0.5}));
}

TEST(FuseRrf, EqualScoresGoByRow) {
  const RankedRows fused = Rrf({{{RowId(9), 1}}, {{RowId(3), 1}}, {{RowId(6), 1}}}, 60);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0].row, RowId(3));
  EXPECT_EQ(fused[1].row, RowId(6));
  EXPECT_EQ(fused[2].row, RowId(9));
}

TEST(FuseRrf, EmptyListsGiveNothing) {
  EXPECT_TRUE(Rrf({}, 60).empty());
  EXPECT_TRUE(Rrf({{}, {}}, 60).empty());
}

TEST(FuseRrf, AWeightOfZeroKeepsTheRow) {
  const RankedRows fused = Rrf({{{RowId(1), 1}}}, 60, {0.0});
  ASSERT_EQ(fused.size(), 1u);
  EXPECT_EQ(fused[0].score, 0);
}

TEST(ScoreScale, MinMaxAndBounds) {
  const RankedRows hits = Scores({6, 4, 2});
  EXPECT_THAT(Values(FusionMethod::kMinMax, hits), testing::ElementsAre(1, 0.5, 0));
  EXPECT_THAT(Values(FusionMethod::kBounds, hits, 0), testing::ElementsAre(1, 4.0 / 6, 2.0 / 6));
  EXPECT_THAT(Values(FusionMethod::kBounds, hits), testing::ElementsAre(1, 0.5, 0));
  // All rows without a hit score 0 where the list is complete.
  EXPECT_THAT(Values(FusionMethod::kMinMax, hits, 0, true),
              testing::ElementsAre(1, 4.0 / 6, 2.0 / 6));
}

TEST(ScoreScale, ZScoreCountsDeviationsFromTheLastHit) {
  const double deviation = std::sqrt(8.0 / 3);  // of 6, 4, 2
  EXPECT_THAT(Values(FusionMethod::kZScore, Scores({6, 4, 2})),
              testing::ElementsAre(4 / deviation, 2 / deviation, 0));
}

TEST(ScoreScale, ZScoreIsThatOfTheFirstHundred) {
  std::vector<double> scores;
  for (int i = 0; i < 100; ++i) scores.push_back(200 - i);
  const std::vector<double> hundred = Values(FusionMethod::kZScore, Scores(scores));
  for (int i = 0; i < 50; ++i) scores.push_back(10);
  const std::vector<double> more = Values(FusionMethod::kZScore, Scores(scores));
  EXPECT_DOUBLE_EQ(hundred[0] - hundred[99], more[0] - more[99]);
  EXPECT_EQ(more.back(), 0);
}

TEST(ScoreScale, OneMatchOfARareTermCountsMuch) {
  // The deviation of 99 zeros and a 5.
  const double deviation = std::sqrt((99 * 0.05 * 0.05 + 4.95 * 4.95) / 100);
  EXPECT_NEAR(Values(FusionMethod::kZScore, Scores({5}), 0, true)[0], 5 / deviation, 1e-12);
  EXPECT_THAT(Values(FusionMethod::kZScore, Scores({5})), testing::ElementsAre(1));
  // In a collection of two rows it is one of two.
  EXPECT_THAT(Values(FusionMethod::kZScore, Scores({5}), 0, true, 2), testing::ElementsAre(2));
  EXPECT_THAT(Values(FusionMethod::kZScore, Scores({5}), 0, true, 1), testing::ElementsAre(1));
}

TEST(ScoreScale, DbsfPutsTheMeanInTheMiddle) {
  const std::vector<double> values = Values(FusionMethod::kDbsf, Scores({6, 4, 2}));
  EXPECT_DOUBLE_EQ(values[1], 0.5);
  EXPECT_DOUBLE_EQ(values[0] - values[1], 2 / (6 * std::sqrt(8.0 / 3)));
}

TEST(ScoreScale, ListsWithoutSpread) {
  for (const RankedRows& hits : {Scores({3}), Scores({3, 3, 3}), Scores({0.1, 0.1, 0.1})}) {
    for (FusionMethod method :
         {FusionMethod::kMinMax, FusionMethod::kZScore, FusionMethod::kBounds})
      EXPECT_THAT(Values(method, hits), testing::Each(1));
    EXPECT_THAT(Values(FusionMethod::kDbsf, hits), testing::Each(0.5));
  }
  EXPECT_THAT(Values(FusionMethod::kBounds, Scores({0, 0}), 0), testing::Each(1));
}

TEST(ScoreScale, ScoresThatAreNotFinite) {
  const double infinite = std::numeric_limits<double>::infinity();
  for (FusionMethod method :
       {FusionMethod::kMinMax, FusionMethod::kZScore, FusionMethod::kBounds, FusionMethod::kDbsf}) {
    for (double value : Values(method, Scores({5, -infinite}))) EXPECT_TRUE(std::isfinite(value));
  }
}

TEST(FuseScores, AddsWeightedValuesInOrder) {
  const RankedRows fused = Fused({{{RowId(5), 3}, {RowId(7), 1}}, {{RowId(7), 0.5}, {RowId(9), 0.25}}},
                           FusionMethod::kMinMax, 60, {2, 3});
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0], (RankedRow{RowId(7), 3}));
  EXPECT_EQ(fused[1], (RankedRow{RowId(5), 2}));
  EXPECT_EQ(fused[2], (RankedRow{RowId(9), 0}));
}

}  // namespace
}  // namespace vouch
