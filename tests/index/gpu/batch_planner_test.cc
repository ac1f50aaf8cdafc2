#include "index/gpu/batch_planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace vouch {
namespace {

using std::chrono::microseconds;
using Time = BatchPlanner::Time;

Time At(int64_t us) { return Time(microseconds(us)); }

struct TestItem final : BatchItem {
  int number = 0;
};

std::shared_ptr<TestItem> Item(int number, uint32_t k, const std::string& tenant = "t", const void* column = nullptr) {
  auto item = std::make_shared<TestItem>();
  item->number = number;
  item->key = {.column = column, .k = k, .kind = 1};
  item->tenant = tenant;
  return item;
}

std::vector<int> Numbers(const std::vector<BatchPlanner::Item>& batch) {
  std::vector<int> numbers;
  for (const auto& item : batch) numbers.push_back(static_cast<const TestItem&>(*item).number);
  return numbers;
}

TEST(BatchPlanner, ALoneSearchGoesAtOnce) {
  BatchPlanner planner({.most = 4, .wait = microseconds(200)});
  EXPECT_FALSE(planner.NextDue());
  for (int i = 0; i < 5; ++i) {
    // One every millisecond: no other is to be expected within the wait.
    ASSERT_TRUE(planner.Add(Item(i, 10), At(1000 * i)));
    EXPECT_EQ(*planner.NextDue(), At(1000 * i));
    EXPECT_EQ(Numbers(planner.Next(At(1000 * i))), std::vector<int>{i});
    EXPECT_TRUE(planner.Next(At(1000 * i)).empty());
  }
}

TEST(BatchPlanner, WhereOthersComeItWaitsForThemButNotLonger) {
  BatchPlanner planner({.most = 100, .wait = microseconds(200)});
  for (int i = 0; i < 20; ++i) planner.Add(Item(i, 10), At(10 * i));
  while (!planner.Next(At(1000)).empty()) {
  }
  planner.Add(Item(100, 10), At(1010));
  // The gap is in the mean, too; some more bring it down.
  for (int i = 0; i < 20; ++i) planner.Add(Item(101 + i, 10), At(1010 + i));
  while (!planner.Next(At(1300)).empty()) {
  }
  planner.Add(Item(200, 10), At(1310));
  EXPECT_EQ(*planner.NextDue(), At(1510));
  planner.Add(Item(201, 10), At(1400));
  EXPECT_TRUE(planner.Next(At(1509)).empty());
  EXPECT_EQ(Numbers(planner.Next(At(1510))), (std::vector<int>{200, 201}));
}

TEST(BatchPlanner, AFullBatchGoesAtOnceAndKeysDoNotMix) {
  BatchPlanner planner({.most = 3, .wait = microseconds(200), .most_waiting = 16});
  for (int i = 0; i < 4; ++i) planner.Add(Item(i, 10), At(i));
  for (int i = 4; i < 8; ++i) planner.Add(Item(i, 20), At(i));
  EXPECT_FALSE(planner.Add(Item(8, 20), At(8))) << "eight wait, and there is room for eight";
  EXPECT_EQ(Numbers(planner.Next(At(8))), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(Numbers(planner.Next(At(8))), (std::vector<int>{4, 5, 6}));
  EXPECT_EQ(planner.waiting(), 2u);
  EXPECT_TRUE(planner.Next(At(100)).empty()) << "the others wait for more";
  EXPECT_EQ(Numbers(planner.Next(At(1000))), (std::vector<int>{3}));
  EXPECT_EQ(Numbers(planner.Next(At(1000))), (std::vector<int>{7}));
}

TEST(BatchPlanner, OfSeveralThatAreDueTheTenantThatHadLeastGoes) {
  BatchPlanner planner({.most = 1, .wait = microseconds(0), .most_waiting = 1000});
  for (int i = 0; i < 100; ++i) planner.Add(Item(i, 10, "many"), At(i));
  for (int i = 100; i < 110; ++i) planner.Add(Item(i, 10, "few", &planner), At(i));
  int few = 0;
  for (int i = 0; i < 22; ++i) {
    const auto batch = planner.Next(At(1000));
    ASSERT_EQ(batch.size(), 1u);
    few += batch[0]->tenant == "few" ? 1 : 0;
    planner.Charge(batch[0]->tenant, microseconds(50));
  }
  EXPECT_EQ(few, 10) << "ten of few's searches wait behind a hundred of another tenant";
}

TEST(BatchPlanner, ATenantLeavesOthersRoomToWait) {
  BatchPlanner planner({.most = 1, .wait = microseconds(0), .most_waiting = 12});
  const auto fill = [&](const std::string& tenant) {
    int taken = 0;
    while (planner.Add(Item(taken, 10, tenant), At(0))) ++taken;
    return taken;
  };
  EXPECT_EQ(fill("a"), 6);
  EXPECT_EQ(fill("b"), 3);
  EXPECT_EQ(fill("c"), 2);
  EXPECT_EQ(fill("a"), 0);
}

// Random calls against a list of what waits.
TEST(BatchPlanner, LosesNothing) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const BatchLimits limits{.most = 1 + random() % 6, .wait = microseconds(random() % 300), .most_waiting = 30};
    BatchPlanner planner(limits);
    std::vector<std::pair<std::shared_ptr<TestItem>, Time>> waiting;
    int64_t now = 0;
    for (int step = 0; step < 2000; ++step) {
      now += static_cast<int64_t>(random() % 80);
      const uint64_t what = random() % 10;
      if (what < 5) {
        auto item = Item(step, random() % 2 == 0 ? 10 : 20, "t", nullptr);
        const bool taken = planner.Add(item, At(now));
        EXPECT_EQ(taken, 2 * waiting.size() < limits.most_waiting);
        if (taken) waiting.emplace_back(item, At(now));
      } else if (what < 6 && !waiting.empty()) {
        const size_t at = random() % waiting.size();
        EXPECT_TRUE(planner.Remove(*waiting[at].first));
        EXPECT_FALSE(planner.Remove(*waiting[at].first));
        waiting.erase(waiting.begin() + static_cast<ptrdiff_t>(at));
      } else {
        const auto batch = planner.Next(At(now));
        EXPECT_LE(batch.size(), limits.most);
        for (size_t i = 0; i < batch.size(); ++i) {
          EXPECT_EQ(batch[i]->key, batch[0]->key);
          // The first of its key that waits.
          const auto found = std::find_if(waiting.begin(), waiting.end(),
                                          [&](const auto& one) { return one.first->key == batch[0]->key; });
          ASSERT_NE(found, waiting.end());
          EXPECT_EQ(found->first.get(), batch[i].get());
          waiting.erase(found);
        }
        if (batch.empty()) {
          // Nothing waits longer than it may.
          for (const auto& [item, came] : waiting) EXPECT_LE(At(now) - came, limits.wait);
        }
      }
      EXPECT_EQ(planner.waiting(), waiting.size());
      EXPECT_EQ(planner.NextDue().has_value(), !waiting.empty());
    }
  }
}

}  // namespace
}  // namespace vouch
