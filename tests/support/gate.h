#pragma once

#include <condition_variable>
#include <mutex>

namespace vouch {

// Holds whoever passes until it is opened: a device that hangs. Where a thread may leave it after its test has ended, both
// share it. Thread safe.
class Gate {
 public:
  void Pass() {
    std::unique_lock lock(mu_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  // Until so many have come to it.
  void AwaitInside(int count) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return inside_ >= count; });
  }
  void Open() {
    const std::lock_guard lock(mu_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  int inside_ = 0;     // guarded by mu_
  bool open_ = false;  // guarded by mu_
};

}  // namespace vouch
