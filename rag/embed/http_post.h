#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"

namespace vouch {

struct HttpRequest {
  std::string url;  // http or https
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  int64_t timeout_ms = 60'000;  // of the whole exchange
  size_t max_reply_bytes = size_t{64} << 20;
};

struct HttpReply {
  long status = 0;
  std::string body;
  int64_t retry_after_ms = -1;  // from Retry-After, in seconds or as a date; -1 without
};

// One POST by libcurl; this is the only file that includes it. Redirects are not followed, so that
// an Authorization header goes nowhere else. Any HTTP status is a reply. UNAVAILABLE: no
// connection, or it broke. DEADLINE_EXCEEDED: the timeout. CANCELLED or DEADLINE_EXCEEDED:
// `cancel`, asked several times a second. RESOURCE_EXHAUSTED: the reply is longer than allowed.
// INVALID_ARGUMENT: a bad URL. Thread safe.
absl::StatusOr<HttpReply> HttpPost(const HttpRequest& request, const CancelToken& cancel);

}  // namespace vouch
