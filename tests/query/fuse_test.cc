#include "query/fuse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vouch {
namespace {

using Rows = std::vector<RankedRow>;

Rows Fused(const std::vector<Rows>& lists, double k, std::vector<double> weights = {}) {
  std::vector<const Rows*> pointers;
  for (const Rows& list : lists) pointers.push_back(&list);
  return FuseRrf(pointers, k, weights);
}

TEST(FuseRrf, AddsReciprocalRanks) {
  const Rows fused = Fused({{{RowId(5), 0.9}, {RowId(7), 0.8}}, {{RowId(7), 12.0}}}, 60);
  ASSERT_EQ(fused.size(), 2u);
  EXPECT_EQ(fused[0], (RankedRow{RowId(7), 1.0 / 62 + 1.0 / 61}));
  EXPECT_EQ(fused[1], (RankedRow{RowId(5), 1.0 / 61}));
}

TEST(FuseRrf, WeightsCount) {
  const Rows fused = Fused({{{RowId(1), 1}}, {{RowId(2), 1}}}, 1, {1.0, 3.0});
  EXPECT_EQ(fused[0], (RankedRow{RowId(2), 1.5}));
  EXPECT_EQ(fused[1], (RankedRow{RowId(1), 0.5}));
}

TEST(FuseRrf, EqualScoresGoByRow) {
  const Rows fused = Fused({{{RowId(9), 1}}, {{RowId(3), 1}}, {{RowId(6), 1}}}, 60);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0].row, RowId(3));
  EXPECT_EQ(fused[1].row, RowId(6));
  EXPECT_EQ(fused[2].row, RowId(9));
}

TEST(FuseRrf, EmptyListsGiveNothing) {
  EXPECT_TRUE(Fused({}, 60).empty());
  EXPECT_TRUE(Fused({{}, {}}, 60).empty());
}

TEST(FuseRrf, AWeightOfZeroKeepsTheRow) {
  const Rows fused = Fused({{{RowId(1), 1}}}, 60, {0.0});
  ASSERT_EQ(fused.size(), 1u);
  EXPECT_EQ(fused[0].score, 0);
}

}  // namespace
}  // namespace vouch
