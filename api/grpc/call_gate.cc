#include "api/grpc/call_gate.h"

#include "absl/strings/str_cat.h"

namespace vouch {

absl::Status CallGate::Enter() {
  switch (state_.load(std::memory_order_acquire)) {
    case State::kOpening:
      return absl::UnavailableError("the server is opening its store; try again in a moment");
    case State::kClosed:
      return absl::UnavailableError("the server is stopping and takes no more calls");
    case State::kOpen:
      break;
  }
  uint32_t running = running_.load(std::memory_order_relaxed);
  do {
    if (running >= limit_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the server runs ", limit_,
                       " calls, which is its limit (request_threads); try again later"));
    }
  } while (!running_.compare_exchange_weak(running, running + 1, std::memory_order_acquire));
  return absl::OkStatus();
}

}  // namespace vouch
