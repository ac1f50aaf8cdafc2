#include "rag/llm/circuit_breaker.h"

#include <algorithm>

namespace vouch {

bool CircuitBreaker::Allow() {
  const std::lock_guard<std::mutex> lock(mu_);
  if (!open_) return true;
  if (trying_ || clock_.NowMicros() < try_at_us_) return false;
  trying_ = true;
  return true;
}

void CircuitBreaker::Record(bool ok) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (open_ && trying_ && ok) {
    open_ = trying_ = false;
    failed_.clear();
    return;
  }
  failed_.push_back(!ok);
  if (failed_.size() > options_.window) failed_.pop_front();
  const auto failures = static_cast<double>(std::count(failed_.begin(), failed_.end(), true));
  const auto calls = static_cast<double>(failed_.size());
  const bool failing =
      failed_.size() >= options_.min_calls && failures >= options_.failure_ratio * calls;
  // Calls that began before it opened end later; they do not move the time of the next try.
  if ((!open_ && failing) || (open_ && trying_)) {
    open_ = true;
    trying_ = false;
    try_at_us_ = clock_.NowMicros() + 1000 * options_.open_ms;
  }
}

void CircuitBreaker::Abandon() {
  const std::lock_guard<std::mutex> lock(mu_);
  trying_ = false;
}

}  // namespace vouch
