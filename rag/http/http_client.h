#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"

namespace vouch {

struct HttpRequest {
  std::string url = {};  // http or https
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  int64_t timeout_ms = 60'000;  // of the whole exchange
  int64_t silence_ms = 60'000;  // without a byte from the server, from the start on
  size_t max_reply_bytes = size_t{64} << 20;
};

struct HttpReply {
  long status = 0;
  std::string body = {};  // empty where a sink took it
  int64_t retry_after_ms =
      -1;  // from Retry-After, in seconds or as a date, at most an hour; -1 without
  std::string location = {};  // where a redirect leads, without secrets
};

// Whether more of the body is wanted. After kLast the exchange is a success however it ends, and
// waits a moment at most for its end, so that the connection can be used again.
enum class HttpMore { kWanted, kLast };
// Takes the body of a 2xx reply piece by piece, as it comes. An error ends the exchange and is
// passed on.
using HttpSink = std::function<absl::StatusOr<HttpMore>(std::string_view bytes)>;

// POSTs by libcurl; the one place that includes it. Connections are kept and used again. Redirects
// are not followed, so that an Authorization header goes nowhere else. Thread safe.
class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Any HTTP status is a reply; without a sink, and for other statuses than 2xx, the body is in it
  // (past kMaxErrorBytes an error's is cut). Errors name the URL without secrets:
  // UNAVAILABLE: no connection, or it broke, or the reply ended early. DEADLINE_EXCEEDED:
  // timeout_ms or silence_ms. CANCELLED or DEADLINE_EXCEEDED: `cancel`, asked some twenty times a
  // second. RESOURCE_EXHAUSTED: the reply is longer than allowed. INVALID_ARGUMENT: a URL that
  // cannot be used.
  absl::StatusOr<HttpReply> Post(const HttpRequest& request, const CancelToken& cancel,
                                 const HttpSink& sink = nullptr) const;

  static constexpr size_t kMaxErrorBytes = size_t{64} << 10;

 private:
  class Transport;  // a handle with its connections, used by one exchange at a time
  std::unique_ptr<Transport> Take() const;
  void Keep(std::unique_ptr<Transport> transport) const;

  mutable std::mutex mu_;
  mutable std::vector<std::unique_ptr<Transport>> idle_;  // guarded by mu_
};

}  // namespace vouch
