#include "query/together.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/job_pool.h"

namespace vouch {
namespace {

TEST(WorkTogether, DoesEachOnceWithAnyNumberOfHelpers) {
  JobPool pool(3, JobPriority::kSearch);
  for (const size_t helpers : {0u, 1u, 3u, 10u}) {
    for (const size_t count : {0u, 1u, 2u, 500u}) {
      std::vector<std::atomic<int>> done(count);
      WorkTogether(&pool, helpers, count, [&](size_t i) {
        ++done[i];
        return true;
      });
      for (const std::atomic<int>& times : done) EXPECT_EQ(times.load(), 1);
    }
  }
}

TEST(WorkTogether, NeedsNoPoolAndNoFreeHelper) {
  size_t sum = 0;
  WorkTogether(nullptr, 4, 10, [&](size_t i) { return sum += i, true; });
  EXPECT_EQ(sum, 45u);

  JobPool pool(1, JobPriority::kSearch);
  std::mutex busy;
  busy.lock();
  pool.Submit([&] { const std::lock_guard wait(busy); });
  std::set<std::thread::id> threads;
  WorkTogether(&pool, 1, 10, [&](size_t) { return threads.insert(std::this_thread::get_id()), true; });
  EXPECT_THAT(threads, testing::ElementsAre(std::this_thread::get_id()));
  busy.unlock();
}

TEST(WorkTogether, AHelperTakesPart) {
  JobPool pool(1, JobPriority::kSearch);
  std::atomic<int> met{0};
  // Each waits until the other has begun: alone this would not end.
  WorkTogether(&pool, 1, 2, [&](size_t) {
    ++met;
    while (met.load() < 2) std::this_thread::yield();
    return true;
  });
  EXPECT_EQ(met.load(), 2);
}

TEST(WorkTogether, NothingIsBegunAfterARefusalAndAllBeforeItIsDone) {
  JobPool pool(2, JobPriority::kSearch);
  for (int turn = 0; turn < 50; ++turn) {
    std::vector<std::atomic<int>> done(5'000);
    WorkTogether(&pool, 2, done.size(), [&](size_t i) {
      ++done[i];
      // The others are slow, so that whoever refuses may be held up between its work and its word.
      if (i > 40) std::this_thread::sleep_for(std::chrono::microseconds(100));
      return i != 40;
    });
    for (size_t i = 0; i <= 40; ++i) EXPECT_EQ(done[i].load(), 1) << i;
    EXPECT_LT(std::count_if(done.begin(), done.end(), [](const auto& times) { return times.load() > 0; }), 5'000);
  }
}

}  // namespace
}  // namespace vouch
