#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <utility>

namespace vouch {

// Thins out progress for a stream: at most ten reports a second, one at a time, from any thread.
class ProgressWriter {
 public:
  explicit ProgressWriter(std::function<void(double fraction)> write) : write_(std::move(write)) {}

  void Update(double fraction) {
    const std::lock_guard<std::mutex> lock(mu_);
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    write_(fraction);
  }

 private:
  const std::function<void(double)> write_;
  std::mutex mu_;
  std::chrono::steady_clock::time_point last_;  // guarded by mu_
};

}  // namespace vouch
