#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vouch {

// Whether jobs give way to searches (builds, merges) or are searches.
enum class JobPriority : uint8_t { kBackground, kSearch };

// A bounded pool of threads. Jobs run in the order given and must not throw.
// The destructor finishes the running jobs and drops the waiting ones.
class JobPool {
 public:
  explicit JobPool(size_t threads, JobPriority priority = JobPriority::kBackground);
  ~JobPool();
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  int threads() const { return static_cast<int>(threads_.size()); }
  void Submit(std::function<void()> job);

 private:
  void Run(JobPriority priority);

  std::mutex mu_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // guarded by mu_
  bool stopping_ = false;                   // guarded by mu_
  std::vector<std::thread> threads_;
};

}  // namespace vouch
