#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"

namespace vouch {

// Lets calls into the services: none before the store is open, no more than a limit at a time, none
// once the server stops. A call that it refuses has touched nothing and may be repeated elsewhere
// or later.
//
// Thread safe.
//
// Invariants:
// 1. Running calls are at most the limit; a refused call never counts.
// 2. What was written before Open is seen by every call that was let in.
class CallGate {
 public:
  explicit CallGate(uint32_t limit) : limit_(limit) {}

  void Open() { state_.store(State::kOpen, std::memory_order_release); }
  void Close() { state_.store(State::kClosed, std::memory_order_release); }

  // OK: the call runs, and Leave follows. UNAVAILABLE: before Open or after Close.
  // RESOURCE_EXHAUSTED: as many run as may.
  absl::Status Enter();
  void Leave() { running_.fetch_sub(1, std::memory_order_release); }
  bool open() const { return state_.load(std::memory_order_acquire) == State::kOpen; }
  uint32_t running() const { return running_.load(std::memory_order_acquire); }

 private:
  enum class State : uint8_t { kOpening, kOpen, kClosed };

  const uint32_t limit_;
  std::atomic<State> state_{State::kOpening};
  std::atomic<uint32_t> running_{0};
};

}  // namespace vouch
