#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "rag/llm/chat_client.h"

namespace vouch {

// When a second request may go out beside the first one.
struct HedgeTiming {
  int64_t delay_ms = 0;  // without text from the first; looked at some twenty times a second
  // Asked once, when the time has come, on the caller's thread: whether the second one may go out.
  std::function<bool()> start = nullptr;
};

struct HedgedTry {
  ChatTry first = {};
  std::optional<ChatTry> second = {};  // where it went out
  bool second_won = false;             // whose text the caller got, and whose status counts
  int64_t first_text_us = -1;          // from the start to its first text, or to where it lost; -1: neither
};

// Asks once, and once more where that is slow; whichever gives text first wins, the other one is
// cancelled within some 50 ms. The caller's `text` gets the winner's pieces alone, on the caller's
// thread; there is a second thread only while there is a second request. Both carry the key, so that
// a server that knows Idempotency-Key works, and bills, once. Where neither gives text the first
// one's status counts, unless only the second one ended well.
HedgedTry TryChatHedged(const HttpClient& http, const ChatEndpoint& endpoint,
                        const std::vector<ChatMessage>& messages, const ChatParameters& parameters,
                        const CancelToken& cancel, const TextSink& text, const HedgeTiming& hedge,
                        std::string_view idempotency_key);

}  // namespace vouch
