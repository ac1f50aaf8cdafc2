#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace vouch {

// Keeps retries to a tenth of the requests, over all of them, so that a server that fails does not
// get a multiple of its load; some are there from the start. Thread safe.
class RetryBudget {
 public:
  void OnRequest() {
    const std::lock_guard<std::mutex> lock(mu_);
    tenths_ = std::min(tenths_ + 1, kMaxTenths);
  }
  // Takes one retry where there is one.
  bool TakeRetry() {
    const std::lock_guard<std::mutex> lock(mu_);
    if (tenths_ < kRetryTenths) return false;
    tenths_ -= kRetryTenths;
    return true;
  }

 private:
  static constexpr int64_t kRetryTenths = 10;
  static constexpr int64_t kMaxTenths = 1'000;

  std::mutex mu_;
  int64_t tenths_ = 10 * kRetryTenths;  // guarded by mu_
};

}  // namespace vouch
