#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

namespace vouch {

// The last times that something took. Thread safe.
class LatencyWindow {
 public:
  static constexpr size_t kTimes = 200;

  void Add(int64_t us);
  // The smallest time that at least a share `quantile` of them does not pass; nothing where fewer
  // than `min_samples` are known.
  std::optional<int64_t> Quantile(double quantile, size_t min_samples) const;

 private:
  mutable std::mutex mu_;
  std::deque<int64_t> times_us_;  // guarded by mu_; oldest first
};

}  // namespace vouch
