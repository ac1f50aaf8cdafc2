#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vouch {

// Threads for connections, one each while it lasts. They are started as they are needed, up to a
// limit, and kept. Thread safe.
class WorkerThreads {
 public:
  explicit WorkerThreads(size_t limit) : limit_(limit) {}
  ~WorkerThreads() { Join(); }
  WorkerThreads(const WorkerThreads&) = delete;
  WorkerThreads& operator=(const WorkerThreads&) = delete;

  // False where as many jobs run as may: the job is not taken.
  bool Run(std::function<void()> job);
  // Waits for the jobs that run; takes no more.
  void Join();
  size_t running() const;

 private:
  void Work();

  const size_t limit_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  // All guarded by mu_.
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  size_t running_ = 0;  // jobs taken, waiting ones among them
  bool joining_ = false;
};

}  // namespace vouch
