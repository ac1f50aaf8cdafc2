#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "rag/llm/token_usage.h"

namespace vouch {

struct ChatMessage {
  std::string role = {};     // "system", "user"
  std::string content = {};  // UTF-8
  friend bool operator==(const ChatMessage&, const ChatMessage&) = default;
};

// What is sent beside the messages. Where a value is missing the server's own default holds.
struct ChatParameters {
  static constexpr uint32_t kMaxTokens = 100'000;

  uint32_t max_tokens = 512;  // of the completion, 1 … kMaxTokens; what a budget reserves
  std::optional<double> temperature = 0.0;
  std::optional<double> top_p = {};
  std::optional<int64_t> seed = {};
};

// What a model said, as far as it came.
struct ChatReply {
  std::string text = {};                 // the first choice's
  std::string refusal = {};              // said in place of a text, where the server tells them apart
  std::string finish_reason = {};        // "stop", "length", …; empty where the stream ended without
  std::string model = {};                // as the server names it
  std::string fingerprint = {};          // of the server's configuration, where it says so
  std::optional<TokenUsage> usage = {};  // as the server counts
  bool text_after_usage = false;    // the server counted before the end
  uint64_t unseen_tokens = 0;       // estimate of what streamed beside the text (reasoning)
};

// Takes pieces of the text as they come, each valid UTF-8. An error ends the reply and is passed
// on.
using TextSink = std::function<absl::Status(std::string_view text)>;

// The body of POST /chat/completions.
std::string EncodeChatRequest(std::string_view model, const std::vector<ChatMessage>& messages,
                              const ChatParameters& parameters, bool stream);
// The same without messages and stream, for records: {"model": …, "max_tokens": …}.
std::string EncodeChatParameters(std::string_view model, const ChatParameters& parameters);

}  // namespace vouch
