#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/http/http_client.h"

namespace vouch {

struct RetryPolicy {
  int retries = 3;  // after the first try
  // The pause doubles from here up to kMaxPauseMs; a longer Retry-After is kept up to
  // kMaxRetryAfterMs, and beyond it the error is returned at once.
  int64_t first_pause_ms = 250;

  static constexpr int64_t kMaxPauseMs = 8'000;
  static constexpr int64_t kMaxRetryAfterMs = 60'000;
};

// The body of a 2xx reply. What may succeed later (IsWorthRetrying) is tried again. Errors are those
// of HttpClient::Post and StatusOfReply, with "(tried N times)" where it was tried again; the end of
// `cancel` is given back as it is.
absl::StatusOr<std::string> PostWithRetries(const HttpClient& http, const HttpRequest& request,
                                            const RetryPolicy& policy, const CancelToken& cancel);

}  // namespace vouch
