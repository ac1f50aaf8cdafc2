#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "index/cancel.h"

namespace vouch {

// Waits between two tries; injected, so that tests need not wait.
using Waiter = std::function<absl::Status(int64_t pause_ms, const CancelToken& cancel)>;

// The system's. Looks at `cancel` some twenty times a second and returns its status once it ends.
absl::Status WaitFor(int64_t pause_ms, const CancelToken& cancel);

}  // namespace vouch
