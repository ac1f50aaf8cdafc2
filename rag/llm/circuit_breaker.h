#pragma once

#include <cstdint>
#include <deque>
#include <mutex>

#include "storage/clock.h"

namespace vouch {

struct BreakerOptions {
  uint32_t window = 20;        // calls that count
  uint32_t min_calls = 5;      // fewer never open it
  double failure_ratio = 0.5;  // of the window's calls; from there on it opens
  int64_t open_ms = 30'000;    // until one call may try again
};

// Keeps calls away from a model server that fails. Closed: calls go through. Open: none does, for
// open_ms. Then one call tries: its success closes the breaker, its failure opens it again. Thread
// safe.
class CircuitBreaker {
 public:
  CircuitBreaker(BreakerOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // Whether a call may go through; each that may ends in Record or Abandon.
  bool Allow();
  void Record(bool ok);
  // The call ended and says nothing of the server (the caller cancelled it).
  void Abandon();

 private:
  const BreakerOptions options_;
  const Clock& clock_;
  std::mutex mu_;
  // Guarded by mu_.
  std::deque<bool> failed_;  // of the last calls
  bool open_ = false;
  bool trying_ = false;  // the one call that an open breaker lets through
  int64_t try_at_us_ = 0;
};

}  // namespace vouch
