#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "rag/deliver/event.h"
#include "rag/http/http_client.h"

namespace vouch {

// Who is told, or asked. Hooks are settings of the process; those that are applied (applied_hook.h) run no program and speak
// to no address that the settings do not allow: so nobody who may change a pipeline can make the server do either.
struct HookSpec {
  static constexpr size_t kMaxHooks = 32;
  static constexpr int64_t kMaxTimeoutMs = 600'000;

  std::string name = {};
  std::vector<std::string> events = {};  // of AfterEvents and BeforeEvents; "after.*": all of those
  // One of the two:
  std::string url = {};
  std::vector<std::string> command = {};  // a program's path, and its arguments
  std::string secret = {};                // signs what is posted; empty: it is not signed
  // Of before.*: what holds where the hook fails, hangs or answers what cannot be read.
  enum class OnFailure : uint8_t { kUnset, kAllow, kRefuse };
  OnFailure on_failure = OnFailure::kUnset;
  int64_t timeout_ms = 5'000;    // of one call
  uint32_t attempts = 8;         // of after.*, before it goes to the dead letters; 1 … 100
  int64_t first_pause_ms = 500;  // between two; it doubles up to max_pause_ms
  int64_t max_pause_ms = 60'000;
  size_t max_output_bytes = size_t{64} << 10;  // of a reply, or of a command's output

  bool Wants(std::string_view type) const;
  std::string Target() const;  // for people, without secrets
};

// INVALID_ARGUMENT names the field, the value and what it takes.
absl::Status CheckHook(const HookSpec& spec);

// What a hook said of a before.* event.
struct HookReply {
  bool allowed = true;
  std::string reason = {};
};

// One try. Over HTTP the event is posted as structured JSON, signed as Standard Webhooks has it
// (webhook-id, webhook-timestamp, webhook-signature: v1 and the HMAC-SHA-256 of
// "ID.TIMESTAMP.BODY"); a command gets it on standard input. Success is 2xx, or exit code 0. For
// before.* the reply is
// {"allowed": true | false, "reason": text}; an empty one allows. Errors: those of HttpClient::Post
// and StatusOfReply; DATA_LOSS: the reply cannot be read; INTERNAL: the command failed.
absl::StatusOr<HookReply> CallHook(const HookSpec& hook, const Event& event, int64_t now_us,
                                   const HttpClient& http, const CancelToken& cancel);

// "v1,BASE64".
std::string WebhookSignature(std::string_view secret, std::string_view id, int64_t timestamp_s,
                             std::string_view body);

}  // namespace vouch
