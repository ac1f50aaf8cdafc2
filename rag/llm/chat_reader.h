#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "rag/llm/chat.h"
#include "rag/llm/sse_decoder.h"

namespace vouch {

// Reads the body of a chat completion from bytes in pieces of any size: a stream of events, or,
// where the body begins with "{", one object (a server that does not stream). Bytes are hostile.
//
// Takes CRLF, comments, vendors' own deltas, usage on any event (the last that is valid counts), an
// end without [DONE] after a finish_reason, and a last event without its empty line.
class ChatReader {
 public:
  static constexpr size_t kMaxTextBytes = size_t{1} << 20;
  static constexpr size_t kMaxBodyBytes = size_t{4} << 20;  // of a body that is one object

  // `text` may be null.
  explicit ChatReader(TextSink text) : sink_(std::move(text)) {}

  // UNAVAILABLE: the server says that it failed, or what it says cannot be read.
  // RESOURCE_EXHAUSTED: longer than a limit. An error of the sink is passed on. After an error
  // nothing more is read.
  absl::Status Feed(std::string_view bytes);
  // At the body's end. UNAVAILABLE: it was cut, or has no text.
  absl::Status Finish();

  bool done() const { return done_; }  // [DONE] came: what follows does not count
  const ChatReply& reply() const { return reply_; }

 private:
  absl::Status TakeEvent(std::string_view data);
  absl::Status TakeDelta(const nlohmann::json& delta);
  absl::Status TakeObject(std::string_view body);
  void TakeUsage(const std::optional<TokenUsage>& usage);
  absl::Status AddText(std::string_view text);

  enum class Form { kUnknown, kEvents, kObject };

  const TextSink sink_;
  Form form_ = Form::kUnknown;
  SseDecoder events_;
  std::string body_;  // of one object
  bool done_ = false;
  ChatReply reply_;
};

}  // namespace vouch
