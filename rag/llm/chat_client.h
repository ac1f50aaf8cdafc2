#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "index/cancel.h"
#include "rag/http/http_client.h"
#include "rag/llm/chat.h"

namespace vouch {

// A model at a server of the OpenAI wire format.
struct ChatEndpoint {
  std::string base_url = {};  // "http://127.0.0.1:11434/v1"
  std::string model = {};
  std::string api_key = {};  // never printed or kept
  bool stream = true;
  int64_t timeout_ms = 300'000;  // of one try
  int64_t silence_ms = 60'000;   // between two bytes of the reply, and before the first
};

// INVALID_ARGUMENT names the value. Takes slashes off the end of base_url.
absl::Status CheckChatEndpoint(ChatEndpoint* endpoint);

// How one try ended.
struct ChatTry {
  absl::Status
      status = {};       // names the URL, never the key; CANCELLED and the caller's deadline as they are
  ChatReply reply = {};  // as far as it came, also where the try failed
  bool started = false;         // the server took the request (2xx): it may cost
  bool stopped = false;         // the status is that of the sink
  int64_t retry_after_ms = -1;  // what the server asked for; -1: nothing
};

// One POST base_url/chat/completions. `text` may be null. A reply longer than kMaxChatReplyBytes is
// RESOURCE_EXHAUSTED; otherwise the codes are those of HttpClient, StatusOfReply and ChatReader.
// `idempotency_key`: of the header of that name; empty: none is sent.
ChatTry TryChat(const HttpClient& http, const ChatEndpoint& endpoint,
                const std::vector<ChatMessage>& messages, const ChatParameters& parameters,
                const CancelToken& cancel, const TextSink& text,
                std::string_view idempotency_key = {});

inline constexpr size_t kMaxChatReplyBytes = size_t{64} << 20;

}  // namespace vouch
