#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vouch {

// The engine's one bounded pool for background work (builds, merges), of lower priority than searches. Jobs run in the order given and must not throw.
// The destructor finishes the running jobs and drops the waiting ones.
class JobPool {
 public:
  explicit JobPool(size_t threads);
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  int threads() const { return static_cast<int>(threads_.size()); }
  void Submit(std::function<void()> job);

 private:
  void Run();

  std::mutex mu_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // guarded by mu_
  bool stopping_ = false;                   // guarded by mu_
  std::vector<std::thread> threads_;
};

}  // namespace vouch
