#include "rag/embed/http_post.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {
namespace {

// Retry-After may be any number; more than an hour is not waited for anyway.
constexpr int64_t kMaxRetryAfterSeconds = 3600;

struct CloseHandle {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

struct Exchange {
  size_t max_reply_bytes = 0;
  bool too_long = false;
  absl::Status cancelled;
  std::string body;
};

size_t TakeBody(char* data, size_t size, size_t count, void* context) {
  auto* exchange = static_cast<Exchange*>(context);
  const size_t bytes = size * count;
  if (bytes > exchange->max_reply_bytes - exchange->body.size()) {
    exchange->too_long = true;
    return 0;
  }
  exchange->body.append(data, bytes);
  return bytes;
}

// Performs through the multi interface, whose wait has a bound: a cancelled request ends within
// kWaitMs.
CURLcode Perform(CURLM* multi, CURL* curl, const CancelToken& cancel, Exchange* exchange) {
  constexpr int kWaitMs = 50;
  if (curl_multi_add_handle(multi, curl) != CURLM_OK) return CURLE_FAILED_INIT;
  CURLcode code = CURLE_OK;
  int running = 1;
  while (running > 0) {
    exchange->cancelled = cancel.Check();
    if (!exchange->cancelled.ok() || curl_multi_perform(multi, &running) != CURLM_OK ||
        (running > 0 && curl_multi_poll(multi, nullptr, 0, kWaitMs, nullptr) != CURLM_OK)) {
      code = CURLE_ABORTED_BY_CALLBACK;
      break;
    }
  }
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) code = message->data.result;
  }
  curl_multi_remove_handle(multi, curl);
  return code;
}

absl::Status Failure(CURLcode code, const char* detail, const HttpRequest& request,
                     const Exchange& exchange) {
  if (!exchange.cancelled.ok()) return exchange.cancelled;
  if (exchange.too_long) {
    return absl::ResourceExhaustedError(
        Concat("the reply is longer than ", exchange.max_reply_bytes, " bytes"));
  }
  const std::string reason = *detail != '\0' ? detail : curl_easy_strerror(code);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::DeadlineExceededError(Concat("no reply within ", request.timeout_ms, " ms"));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(Concat("the address cannot be used: ", reason));
    default:
      return absl::UnavailableError(reason);
  }
}

}  // namespace

absl::StatusOr<HttpReply> HttpPost(const HttpRequest& request, const CancelToken& cancel) {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  const std::unique_ptr<CURL, CloseHandle> handle(ready ? curl_easy_init() : nullptr);
  struct CloseMulti {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
  };
  const std::unique_ptr<CURLM, CloseMulti> multi(ready ? curl_multi_init() : nullptr);
  if (handle == nullptr || multi == nullptr)
    return absl::InternalError("libcurl cannot be started");
  std::unique_ptr<curl_slist, FreeList> headers;
  for (const auto& [name, value] : request.headers) {
    curl_slist* longer = curl_slist_append(headers.get(), Concat(name, ": ", value).c_str());
    if (longer == nullptr) return absl::ResourceExhaustedError("no memory for a request header");
    (void)headers.release();
    headers.reset(longer);
  }
  Exchange exchange{.max_reply_bytes = request.max_reply_bytes, .cancelled = {}, .body = {}};
  char error[CURL_ERROR_SIZE] = "";
  CURL* curl = handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
  const CURLcode code = Perform(multi.get(), curl, cancel, &exchange);
  if (code != CURLE_OK) return Failure(code, error, request, exchange);
  HttpReply reply{.body = std::move(exchange.body)};
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  curl_off_t retry_after = 0;
  if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK && retry_after > 0) {
    reply.retry_after_ms = 1000 * std::min<int64_t>(retry_after, kMaxRetryAfterSeconds);
  }
  return reply;
}

}  // namespace vouch
