#include "rag/http/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "rag/http/http_error.h"
#include "rag/http/http_get.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Retry-After may be any number; more than an hour is not waited for anyway.
constexpr int64_t kMaxRetryAfterSeconds = 3600;
// Handles that no exchange uses; each may hold some open connections.
constexpr size_t kMaxIdle = 32;
// How soon a cancelled exchange ends.
constexpr int kWaitMs = 50;
constexpr size_t kMaxErrorBytes = HttpClient::kMaxErrorBytes;
constexpr auto kLastGrace = std::chrono::milliseconds(200);

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeList>;

absl::StatusOr<Headers> MakeHeaders(const HttpRequest& request) {
  Headers headers;
  const auto add = [&headers](const std::string& line) {
    curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) return false;
    (void)headers.release();
    headers.reset(longer);
    return true;
  };
  // Without the second line a large body would wait for "100 Continue", which few servers send.
  bool added = add("Expect:");
  for (const auto& [name, value] : request.headers) added = added && add(Concat(name, ": ", value));
  if (!added) return absl::ResourceExhaustedError("no memory for a request header");
  return headers;
}

enum class HttpMethod { kGet, kPost };

// A handle with its connections, used by one exchange at a time.
class HttpExchange {
 public:
  HttpExchange()
      : multi_(Started() ? curl_multi_init() : nullptr),
        easy_(Started() ? curl_easy_init() : nullptr) {}
  ~HttpExchange() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  bool ready() const { return multi_ != nullptr && easy_ != nullptr; }

  absl::StatusOr<HttpReply> Run(HttpMethod method, const HttpRequest& request,
                                const CancelToken& cancel, const HttpSink& sink) {
    if (!ready()) return absl::InternalError("libcurl cannot be started");
    absl::StatusOr<Headers> headers = MakeHeaders(request);
    if (!headers.ok()) return headers.status();
    received_ = 0;
    too_long_ = false;
    head_passed_ = false;
    pending_.clear();
    reply_ = {};
    max_reply_bytes_ = request.max_reply_bytes;
    last_byte_ = SteadyClock::now();
    error_[0] = '\0';
    SetOptions(method, request, headers->get());
    const absl::Status status = Perform(request, cancel, sink);
    curl_easy_reset(easy_);  // what it points to ends here
    if (!status.ok()) return status;
    return std::move(reply_);
  }

 private:
  static bool Started() {
    static const bool started = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return started;
  }
  static size_t TakeBody(char* data, size_t size, size_t count, void* context) {
    auto* self = static_cast<HttpExchange*>(context);
    const size_t bytes = size * count;
    self->last_byte_ = SteadyClock::now();
    if (bytes > self->max_reply_bytes_ - self->received_) {
      self->too_long_ = true;
      return 0;
    }
    self->received_ += bytes;
    self->pending_.append(data, bytes);
    return bytes;
  }
  static size_t TakeHeader(char*, size_t size, size_t count, void* context) {
    static_cast<HttpExchange*>(context)->last_byte_ = SteadyClock::now();
    return size * count;
  }

  void SetOptions(HttpMethod method, const HttpRequest& request, curl_slist* headers) {
    curl_easy_setopt(easy_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers);
    if (method == HttpMethod::kPost) {
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request.body.data());
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
    }
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout_ms));
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_);
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &TakeBody);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &TakeHeader);
    curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  }

  // Through the multi interface, whose wait has a bound, and which returns as soon as bytes are
  // there: they reach the sink at once, and outside of libcurl's frames.
  absl::Status Perform(const HttpRequest& request, const CancelToken& cancel,
                       const HttpSink& sink) {
    if (curl_multi_add_handle(multi_, easy_) != CURLM_OK) {
      return absl::InternalError("libcurl takes no request");
    }
    absl::Status status = Exchange(request, cancel, sink);
    curl_multi_remove_handle(multi_, easy_);
    return status;
  }

  absl::Status Exchange(const HttpRequest& request, const CancelToken& cancel,
                        const HttpSink& sink) {
    int running = 1;
    bool last = false;
    SteadyClock::time_point give_up;
    while (running > 0) {
      if (absl::Status status = cancel.Check(); !status.ok()) return status;
      if (curl_multi_perform(multi_, &running) != CURLM_OK)
        return Failure(CURLE_RECV_ERROR, request);
      if (absl::Status status = PassOn(sink, &last, &give_up); !status.ok()) return status;
      const auto now = SteadyClock::now();
      if (last && now >= give_up) return absl::OkStatus();
      if (running > 0 && !last &&
          now - last_byte_ > std::chrono::milliseconds(request.silence_ms)) {
        return absl::DeadlineExceededError(
            Concat(UrlWithoutSecrets(request.url), ": no byte for ", request.silence_ms, " ms"));
      }
      if (running > 0 &&
          curl_multi_poll(multi_, nullptr, 0, PollMs(request), nullptr) != CURLM_OK) {
        return Failure(CURLE_RECV_ERROR, request);
      }
    }
    CURLcode code = CURLE_OK;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
    if (code != CURLE_OK && !last) return Failure(code, request);
    ReadHead();
    return absl::OkStatus();
  }

  static int PollMs(const HttpRequest& request) {
    return static_cast<int>(std::clamp<int64_t>(request.silence_ms, 1, kWaitMs));
  }

  // What came since the last time: to the sink, or into the reply.
  absl::Status PassOn(const HttpSink& sink, bool* last, SteadyClock::time_point* give_up) {
    ReadHead();
    const bool good = reply_.status >= 200 && reply_.status < 300;
    const bool head = good && !std::exchange(head_passed_, good);
    if (pending_.empty() && !head) return absl::OkStatus();
    if (good && sink) {
      if (!*last) {
        const absl::StatusOr<HttpMore> more = sink(pending_);
        if (!more.ok()) return more.status();
        if (*more == HttpMore::kLast) {
          *last = true;
          *give_up = SteadyClock::now() + kLastGrace;
        }
      }
    } else if (good) {
      reply_.body += pending_;
    } else {
      reply_.body.append(
          pending_, 0, kMaxErrorBytes - std::min(kMaxErrorBytes, reply_.body.size()));
    }
    pending_.clear();
    return absl::OkStatus();
  }

  void ReadHead() {
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &reply_.status);
    curl_off_t retry_after = 0;
    if (curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK &&
        retry_after > 0) {
      reply_.retry_after_ms = 1000 * std::min<int64_t>(retry_after, kMaxRetryAfterSeconds);
    }
    const char* location = nullptr;
    if (curl_easy_getinfo(easy_, CURLINFO_REDIRECT_URL, &location) == CURLE_OK &&
        location != nullptr) {
      reply_.location = UrlWithoutSecrets(location);
    }
  }

  absl::Status Failure(CURLcode code, const HttpRequest& request) const {
    const std::string where = UrlWithoutSecrets(request.url);
    if (too_long_) {
      return absl::ResourceExhaustedError(
          Concat(where, ": the reply is longer than ", max_reply_bytes_, " bytes"));
    }
    const std::string reason = error_[0] != '\0' ? error_ : curl_easy_strerror(code);
    switch (code) {
      case CURLE_OPERATION_TIMEDOUT:
        return absl::DeadlineExceededError(Concat(where, ": no ",
                                                  received_ > 0 ? "end of the reply" : "reply",
                                                  " within ", request.timeout_ms, " ms"));
      case CURLE_URL_MALFORMAT:
      case CURLE_UNSUPPORTED_PROTOCOL:
        return absl::InvalidArgumentError(
            Concat("the address ", where, " cannot be used: ", reason));
      default:
        return absl::UnavailableError(Concat(where, ": ", reason));
    }
  }

  CURLM* const multi_;
  CURL* const easy_;
  // Of the exchange that runs.
  HttpReply reply_;
  std::string pending_;  // of the body, not yet passed on
  size_t max_reply_bytes_ = 0;
  size_t received_ = 0;
  bool too_long_ = false;
  bool head_passed_ = false;  // the sink knows of it
  SteadyClock::time_point last_byte_;
  char error_[CURL_ERROR_SIZE] = "";
};

}  // namespace

class HttpClient::Transport : public HttpExchange {};

HttpClient::HttpClient() = default;
HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Transport> HttpClient::Take() const {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    if (!idle_.empty()) {
      std::unique_ptr<Transport> transport = std::move(idle_.back());
      idle_.pop_back();
      return transport;
    }
  }
  return std::make_unique<Transport>();
}

void HttpClient::Keep(std::unique_ptr<Transport> transport) const {
  const std::lock_guard<std::mutex> lock(mu_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(transport));
}

absl::StatusOr<HttpReply> HttpClient::Post(const HttpRequest& request, const CancelToken& cancel,
                                           const HttpSink& sink) const {
  std::unique_ptr<Transport> transport = Take();
  absl::StatusOr<HttpReply> reply = transport->Run(HttpMethod::kPost, request, cancel, sink);
  if (transport->ready()) Keep(std::move(transport));
  return reply;
}

absl::StatusOr<HttpReply> HttpGet(const HttpRequest& request, const CancelToken& cancel) {
  return HttpExchange().Run(HttpMethod::kGet, request, cancel, nullptr);
}

}  // namespace vouch
