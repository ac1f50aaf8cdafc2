#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <mutex>

namespace vouch {

// Keeps what is sent besides to a share of the requests, over all of them: retries, so that a server
// that fails does not get a multiple of its load, and hedges, so that they cost no more than they
// may. Thread safe.
class RetryBudget {
 public:
  // `share`: extras a request, above 0, to 1; `at_start`: extras that are there from the start.
  explicit RetryBudget(double share = 0.1, int64_t at_start = 10)
      : per_request_(std::llround(share * kUnit)), units_(at_start * kUnit) {}

  void OnRequest() {
    const std::lock_guard<std::mutex> lock(mu_);
    units_ = std::min(units_ + per_request_, kMaxExtras * kUnit);
  }
  // Takes one extra where there is one.
  bool TakeRetry() {
    const std::lock_guard<std::mutex> lock(mu_);
    if (units_ < kUnit) return false;
    units_ -= kUnit;
    return true;
  }

 private:
  static constexpr int64_t kUnit = 1'000'000;  // of one extra
  static constexpr int64_t kMaxExtras = 100;   // that can be saved up

  const int64_t per_request_;
  std::mutex mu_;
  int64_t units_;  // guarded by mu_
};

}  // namespace vouch
