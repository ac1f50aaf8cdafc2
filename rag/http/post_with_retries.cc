#include "rag/http/post_with_retries.h"

#include <algorithm>
#include <utility>

#include "rag/http/http_error.h"
#include "rag/http/wait.h"
#include "storage/concat.h"

namespace vouch {

absl::StatusOr<std::string> PostWithRetries(const HttpClient& http, const HttpRequest& request,
                                            const RetryPolicy& policy, const CancelToken& cancel) {
  int64_t pause_ms = policy.first_pause_ms;
  for (int attempt = 0;; ++attempt) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    absl::StatusOr<HttpReply> reply = http.Post(request, cancel);
    if (reply.ok() && reply->status >= 200 && reply->status < 300) return std::move(reply->body);
    // The request's own end is not the server's failure, and is given back as it is.
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const absl::Status failure = reply.ok() ? StatusOfReply(request.url, *reply) : reply.status();
    const int64_t asked_ms = reply.ok() ? reply->retry_after_ms : -1;
    if (!IsWorthRetrying(failure) || attempt >= policy.retries ||
        asked_ms > RetryPolicy::kMaxRetryAfterMs) {
      if (attempt == 0) return failure;
      return absl::Status(failure.code(), Concat(ToStd(failure.message()), " (tried ", attempt + 1,
                                                 " times)"));
    }
    if (absl::Status status = WaitFor(std::max(pause_ms, asked_ms), cancel); !status.ok()) {
      return status;
    }
    pause_ms = std::min(2 * pause_ms, RetryPolicy::kMaxPauseMs);
  }
}

}  // namespace vouch
