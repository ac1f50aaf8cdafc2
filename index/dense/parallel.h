#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace vouch {

// Calls work(i, thread) for every i of [begin, end) on `threads` threads, the caller among them, in pieces of `grain`.
// Work must not throw, and its result must not depend on which thread does what.
template <typename Work>
void ParallelFor(size_t begin, size_t end, int threads, size_t grain, const Work& work) {
  std::atomic<size_t> next{begin};
  const auto run = [&](size_t thread) {
    for (;;) {
      const size_t from = next.fetch_add(grain, std::memory_order_relaxed);
      if (from >= end) return;
      for (size_t i = from; i < std::min(end, from + grain); ++i) work(i, thread);
    }
  };
  std::vector<std::thread> helpers;
  if (end - begin > grain) {
    for (int i = 1; i < threads; ++i) helpers.emplace_back(run, static_cast<size_t>(i));
  }
  run(0);
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace vouch
