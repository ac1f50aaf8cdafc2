#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace vouch {

// Whether a request should go on. Loops ask every few thousand rows.
class CancelToken {
 public:
  CancelToken() = default;
  CancelToken(absl::Time deadline, std::function<bool()> cancelled)
      : deadline_(deadline), cancelled_(std::move(cancelled)) {}

  // OK, DEADLINE_EXCEEDED or CANCELLED.
  absl::Status Check() const {
    if (cancelled_ && cancelled_()) return absl::CancelledError("the caller cancelled the request");
    if (deadline_ != absl::InfiniteFuture() && absl::Now() > deadline_) {
      return absl::DeadlineExceededError("the request's deadline has passed");
    }
    return absl::OkStatus();
  }

 private:
  absl::Time deadline_ = absl::InfiniteFuture();
  std::function<bool()> cancelled_;
};

}  // namespace vouch
