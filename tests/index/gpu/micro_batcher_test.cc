#include "index/gpu/micro_batcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/gate.h"

namespace vouch {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

struct Sum final : BatchItem {
  int value = 0;
  std::atomic<int> runs{0};
  int result = 0;
};

std::shared_ptr<Sum> SumOf(int value, uint32_t k = 1, const std::string& tenant = "t") {
  auto item = std::make_shared<Sum>();
  item->value = value;
  item->key = {.column = nullptr, .k = k, .kind = 0};
  item->tenant = tenant;
  return item;
}

nanoseconds Square(const BatchKey& key, std::span<const MicroBatcher::Item> items) {
  for (const auto& item : items) {
    auto& sum = static_cast<Sum&>(*item);
    EXPECT_EQ(sum.key, key);
    ++sum.runs;
    sum.result = sum.value * sum.value;
  }
  return nanoseconds(1000);
}

// Work that nobody waits for asks by it whether the device has nothing else to do.
TEST(MicroBatcher, CountsTheSearchesThatSomebodyWaitsFor) {
  Gate gate;
  MicroBatcher batcher({.most = 1, .wait = microseconds(0)}, 1, [&](const BatchKey& key, std::span<const MicroBatcher::Item> items) {
    gate.Pass();
    return Square(key, items);
  });
  EXPECT_EQ(batcher.foreground(), 0u);
  const auto running = SumOf(1), waiting = SumOf(2), sample = SumOf(3);
  sample->background = true;
  ASSERT_TRUE(batcher.Submit(running));
  gate.AwaitInside(1);
  ASSERT_TRUE(batcher.Submit(waiting));
  ASSERT_TRUE(batcher.Submit(sample));
  EXPECT_EQ(batcher.foreground(), 2u);
  const CancelToken cancelled(absl::InfiniteFuture(), [] { return true; });
  EXPECT_FALSE(batcher.Await(*waiting, cancelled).ok());
  EXPECT_EQ(batcher.foreground(), 1u);
  gate.Open();
  EXPECT_TRUE(batcher.Await(*running, CancelToken()).ok());
  EXPECT_TRUE(batcher.Await(*sample, CancelToken()).ok());
  EXPECT_EQ(batcher.foreground(), 0u);
}

TEST(MicroBatcher, EachSearchRunsOnceAndHasItsOwnResult) {
  MicroBatcher batcher({.most = 8, .wait = microseconds(100)}, 2, Square);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 300; ++i) {
        const auto item = SumOf(caller * 1000 + i, static_cast<uint32_t>(1 + i % 2));
        ASSERT_TRUE(batcher.Submit(item));
        ASSERT_TRUE(batcher.Await(*item, CancelToken()).ok());
        EXPECT_EQ(item->runs, 1);
        EXPECT_EQ(item->result, item->value * item->value);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  const MicroBatcher::Counts counts = batcher.counts();
  EXPECT_EQ(counts.searches, 8u * 300);
  EXPECT_LE(counts.batches, counts.searches);
  EXPECT_EQ(counts.waiting, 0u);
  EXPECT_EQ(counts.used.at("t"), nanoseconds(1000) * counts.batches);
}

TEST(MicroBatcher, WhileTheDeviceIsBusySearchesGather) {
  Gate gate;
  std::atomic<size_t> largest{0};
  MicroBatcher batcher({.most = 64, .wait = microseconds(0)}, 1, [&](const BatchKey& key, std::span<const MicroBatcher::Item> items) {
    gate.Pass();
    largest = std::max<size_t>(largest, items.size());
    return Square(key, items);
  });
  const auto first = SumOf(1);
  ASSERT_TRUE(batcher.Submit(first));
  gate.AwaitInside(1);
  std::vector<std::shared_ptr<Sum>> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(SumOf(i));
    ASSERT_TRUE(batcher.Submit(others.back()));
  }
  gate.Open();
  EXPECT_TRUE(batcher.Await(*first, CancelToken()).ok());
  for (const auto& item : others) EXPECT_TRUE(batcher.Await(*item, CancelToken()).ok());
  EXPECT_EQ(largest, 20u);
}

TEST(MicroBatcher, WhoIsCancelledLeavesAtOnceWhetherItRunsOrWaits) {
  Gate gate;
  auto batcher = std::make_unique<MicroBatcher>(
      BatchLimits{.most = 1, .wait = microseconds(0)}, 1, [&](const BatchKey& key, std::span<const MicroBatcher::Item> items) {
        gate.Pass();
        return Square(key, items);
      });
  auto running = SumOf(1);
  const auto waiting = SumOf(2);
  const auto let_go = SumOf(3);
  ASSERT_TRUE(batcher->Submit(running));
  gate.AwaitInside(1);
  ASSERT_TRUE(batcher->Submit(waiting));
  ASSERT_TRUE(batcher->Submit(let_go));
  const CancelToken cancelled(absl::InfiniteFuture(), [] { return true; });
  EXPECT_EQ(batcher->Await(*waiting, cancelled).code(), absl::StatusCode::kCancelled);
  batcher->LetGo(*let_go);
  EXPECT_EQ(batcher->counts().waiting, 0u);
  const CancelToken late(absl::Now(), {});
  EXPECT_EQ(batcher->Await(*running, late).code(), absl::StatusCode::kDeadlineExceeded);
  const std::weak_ptr<Sum> kept = running;
  running.reset();
  EXPECT_FALSE(kept.expired()) << "the batch still writes to it";
  gate.Open();
  batcher.reset();
  EXPECT_TRUE(kept.expired());
  EXPECT_EQ(waiting->runs, 0);
  EXPECT_EQ(let_go->runs, 0);
}

TEST(MicroBatcher, ClosingEndsWhatWaits) {
  Gate gate;
  MicroBatcher batcher({.most = 1, .wait = microseconds(0)}, 1, [&](const BatchKey& key, std::span<const MicroBatcher::Item> items) {
    gate.Pass();
    return Square(key, items);
  });
  const auto running = SumOf(1);
  const auto waiting = SumOf(2);
  ASSERT_TRUE(batcher.Submit(running));
  gate.AwaitInside(1);
  ASSERT_TRUE(batcher.Submit(waiting));
  std::thread other([&] { EXPECT_EQ(batcher.Await(*waiting, CancelToken()).code(), absl::StatusCode::kUnavailable); });
  batcher.Close();
  other.join();
  EXPECT_FALSE(batcher.Submit(SumOf(3)));
  gate.Open();
  EXPECT_TRUE(batcher.Await(*running, CancelToken()).ok()) << "what runs has its result";
  EXPECT_EQ(batcher.Await(*running, CancelToken()).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace vouch
