#include "index/gpu/fair_share.h"

#include <gtest/gtest.h>

#include <random>

namespace vouch {
namespace {

using std::chrono::nanoseconds;

TEST(FairShare, SharesByWeightWhateverBatchesTake) {
  std::mt19937_64 random(1);
  FairShare share;
  share.SetWeight("a", 1);
  share.SetWeight("b", 3);
  const std::vector<std::string> waiting = {"a", "b", "c"};
  for (const std::string& tenant : waiting) share.Wakes(tenant);
  for (int i = 0; i < 30'000; ++i) {
    const std::string tenant = share.Next(waiting);
    // c's batches take ten times as long.
    share.Charge(tenant, nanoseconds((tenant == "c" ? 10 : 1) * static_cast<int64_t>(500 + random() % 1000)));
  }
  const auto a = static_cast<double>(share.Used("a").count());
  EXPECT_NEAR(static_cast<double>(share.Used("b").count()) / a, 3, 0.05);
  EXPECT_NEAR(static_cast<double>(share.Used("c").count()) / a, 1, 0.05);
}

TEST(FairShare, WhoWasAloneOwesNothing) {
  FairShare share;
  share.Wakes("busy");
  for (int i = 0; i < 1000; ++i) share.Charge("busy", nanoseconds(1000));
  share.Wakes("late");
  const std::vector<std::string> waiting = {"busy", "late"};
  int late = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string tenant = share.Next(waiting);
    late += tenant == "late" ? 1 : 0;
    share.Charge(tenant, nanoseconds(1000));
  }
  EXPECT_GE(late, 45);
  EXPECT_LE(late, 55);
  EXPECT_EQ(share.UsedByAll().size(), 2u);
}

}  // namespace
}  // namespace vouch
