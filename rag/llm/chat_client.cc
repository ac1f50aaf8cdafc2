#include "rag/llm/chat_client.h"

#include <utility>

#include "rag/http/http_error.h"
#include "rag/llm/chat_reader.h"
#include "storage/concat.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

constexpr int64_t kMaxTimeoutMs = 3'600'000;

HttpRequest RequestFor(const ChatEndpoint& endpoint, const std::vector<ChatMessage>& messages,
                       const ChatParameters& parameters) {
  HttpRequest request{
      .url = Concat(endpoint.base_url, "/chat/completions"),
      .headers = {{"Content-Type", "application/json"},
                  {"Accept", endpoint.stream ? "text/event-stream" : "application/json"}},
      .body = EncodeChatRequest(endpoint.model, messages, parameters, endpoint.stream),
      .timeout_ms = endpoint.timeout_ms,
      .silence_ms = endpoint.silence_ms,
      .max_reply_bytes = kMaxChatReplyBytes};
  if (!endpoint.api_key.empty()) {
    request.headers.emplace_back("Authorization", Concat("Bearer ", endpoint.api_key));
  }
  return request;
}

}  // namespace

absl::Status CheckChatEndpoint(ChatEndpoint* endpoint) {
  std::string& url = endpoint->base_url;
  while (!url.empty() && url.back() == '/') url.pop_back();
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return absl::InvalidArgumentError(Concat("the model server's address is \"",
                                             Escape(UrlWithoutSecrets(url)),
                                             "\"; expected http://… or https://…"));
  }
  if (endpoint->model.empty()) return absl::InvalidArgumentError("the model's name is empty");
  if (!IsValidUtf8(endpoint->model) || !IsValidUtf8(url))
    return absl::InvalidArgumentError("the model's name or address is not UTF-8");
  if (endpoint->api_key.find_first_of("\r\n") != std::string::npos)
    return absl::InvalidArgumentError("the API key has a line break");
  const std::pair<const char*, int64_t> times[] = {{"timeout_ms", endpoint->timeout_ms},
                                                   {"silence_ms", endpoint->silence_ms}};
  for (const auto& [name, value] : times) {
    if (value < 1 || value > kMaxTimeoutMs) {
      return absl::InvalidArgumentError(
          Concat(name, " is ", value, "; it takes 1 to ", kMaxTimeoutMs));
    }
  }
  return absl::OkStatus();
}

ChatTry TryChat(const HttpClient& http, const ChatEndpoint& endpoint,
                const std::vector<ChatMessage>& messages, const ChatParameters& parameters,
                const CancelToken& cancel, const TextSink& text,
                std::string_view idempotency_key) {
  ChatTry result;
  HttpRequest request = RequestFor(endpoint, messages, parameters);
  if (!idempotency_key.empty())
    request.headers.emplace_back("Idempotency-Key", std::string(idempotency_key));
  absl::Status stopped;  // by the caller's sink
  ChatReader reader([&](std::string_view piece) {
    if (text) stopped = text(piece);
    return stopped;
  });
  absl::Status unread;  // what the reader said
  const absl::StatusOr<HttpReply> reply =
      http.Post(request, cancel, [&](std::string_view bytes) -> absl::StatusOr<HttpMore> {
        result.started = true;
        unread = reader.Feed(bytes);
        if (!unread.ok()) return unread;
        return reader.done() ? HttpMore::kLast : HttpMore::kWanted;
      });
  bool complete = false;
  if (reply.ok() && reply->status >= 200 && reply->status < 300) {
    result.started = true;
    unread = reader.Finish();
  } else if (!reply.ok() && unread.ok() && stopped.ok() && !reader.reply().finish_reason.empty()) {
    complete = reader.Finish().ok();  // cut after its end: nothing is missing
  }
  result.reply = reader.reply();
  if (!stopped.ok()) {
    result.stopped = true;
    result.status = stopped;
  } else if (!unread.ok()) {
    result.status = absl::Status(
        unread.code(), Concat(UrlWithoutSecrets(request.url), ": ", ToStd(unread.message())));
  } else if (!reply.ok() && !complete) {
    // The request's own end is not the server's failure, and is given back as it is.
    const absl::Status ended = cancel.Check();
    result.status = ended.ok() ? reply.status() : ended;
  } else if (reply.ok() && !result.started) {
    result.status = StatusOfReply(request.url, *reply);
    result.retry_after_ms = reply->retry_after_ms;
  }
  if (!result.status.ok() && !endpoint.api_key.empty()) {
    result.status =
        absl::Status(result.status.code(),
                     WithoutSecret(std::string(ToStd(result.status.message())), endpoint.api_key));
  }
  return result;
}

}  // namespace vouch
