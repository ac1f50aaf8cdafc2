#include "index/merge_policy.h"

#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace vouch {
namespace {

TEST(MergePolicy, SmallCases) {
  EXPECT_EQ(PickMerge(std::vector<uint64_t>{}, 4, 1000), std::nullopt);
  EXPECT_EQ(PickMerge(std::vector<uint64_t>{10, 10, 10}, 4, 1000), std::nullopt);
  EXPECT_EQ(PickMerge(std::vector<uint64_t>{10, 10, 10, 10}, 4, 1000), (MergeRange{0, 4}));
  EXPECT_EQ(PickMerge(std::vector<uint64_t>{10, 10, 10, 10}, 4, 39), std::nullopt);
  // A large neighbour is not written again for a few rows.
  EXPECT_EQ(PickMerge(std::vector<uint64_t>{900, 10, 10, 10}, 4, 10'000), std::nullopt);
  EXPECT_EQ(PickMerge(std::vector<uint64_t>{900, 10, 10, 10, 10}, 4, 10'000), (MergeRange{1, 5}));
  EXPECT_EQ(PickTailMerge(std::vector<uint64_t>(8, 1), 8, 100), (MergeRange{0, 8}));
  EXPECT_EQ(PickTailMerge(std::vector<uint64_t>(7, 1), 8, 100), std::nullopt);
}

// Rows come in, the policy is followed: few segments stay, and no row is rewritten often.
template <typename Pick>
void Simulate(uint64_t seed, uint64_t max_arrival, size_t arrivals, size_t segment_bound, double rewrite_bound,
              Pick pick) {
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::vector<uint64_t> segments;
  uint64_t rows = 0;
  uint64_t rewritten = 0;
  for (size_t i = 0; i < arrivals; ++i) {
    segments.push_back(1 + random() % max_arrival);
    rows += segments.back();
    while (const auto range = pick(segments)) {
      ASSERT_LT(range->begin, range->end);
      ASSERT_LE(range->end, segments.size());
      const auto begin = segments.begin() + static_cast<ptrdiff_t>(range->begin);
      const auto end = segments.begin() + static_cast<ptrdiff_t>(range->end);
      const uint64_t total = std::accumulate(begin, end, uint64_t{0});
      rewritten += total;
      *begin = total;
      segments.erase(begin + 1, end);
    }
    ASSERT_LE(segments.size(), segment_bound);
  }
  EXPECT_EQ(std::accumulate(segments.begin(), segments.end(), uint64_t{0}), rows);
  EXPECT_LE(static_cast<double>(rewritten) / static_cast<double>(rows), rewrite_bound);
}

TEST(MergePolicy, FewSegmentsAndFewRewrites) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const auto all = [](const std::vector<uint64_t>& s) { return PickMerge(s, 4, 1'000'000'000); };
    Simulate(seed, 1, 3000, 40, 12, all);
    Simulate(seed, 1000, 3000, 40, 12, all);
    const auto tail = [](const std::vector<uint64_t>& s) { return PickTailMerge(s, 8, 1'000'000'000); };
    Simulate(seed, 1, 20'000, 60, 8, tail);
    Simulate(seed, 500, 20'000, 60, 8, tail);
  }
}

}  // namespace
}  // namespace vouch
