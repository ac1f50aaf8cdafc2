#pragma once

#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace vouch {

// Calls work(0) … work(count - 1), each once, by the caller's thread and up to `helpers` more;
// returns when all are done. Where the system gives no more threads, fewer do it. Work must not
// throw.
template <typename Work>
void RunSideBySide(size_t count, size_t helpers, const Work& work) {
  std::atomic<size_t> next{0};
  const auto run = [&] {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
  };
  std::vector<std::jthread> threads;  // join at the end of their lives
  threads.reserve(helpers);
  try {
    while (threads.size() < helpers) threads.emplace_back(run);
  } catch (const std::system_error&) {
  }
  run();
}

}  // namespace vouch
