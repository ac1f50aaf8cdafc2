#include "rag/http/wait.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace vouch {

absl::Status WaitFor(int64_t pause_ms, const CancelToken& cancel) {
  const absl::Time end = absl::Now() + absl::Milliseconds(pause_ms);
  while (true) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const absl::Duration left = end - absl::Now();
    if (left <= absl::ZeroDuration()) return absl::OkStatus();
    absl::SleepFor(std::min(left, absl::Milliseconds(50)));
  }
}

}  // namespace vouch
