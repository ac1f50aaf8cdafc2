#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "index/cancel.h"

namespace vouch {

// Does something every so often, the first time at once, on a thread of its own. The destructor
// cancels what runs and waits for it. What it throws is told to `warn`, which may be empty, and it is
// done again.
class WatchJob {
 public:
  WatchJob(std::chrono::seconds every, std::function<void(const CancelToken&)> look,
           std::function<void(const std::string&)> warn = nullptr);
  ~WatchJob();
  WatchJob(const WatchJob&) = delete;
  WatchJob& operator=(const WatchJob&) = delete;

 private:
  void Run();

  const std::chrono::seconds every_;
  const std::function<void(const CancelToken&)> look_;
  const std::function<void(const std::string&)> warn_;
  std::mutex mu_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace vouch
