#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "rag/deliver/hook.h"
#include "rag/http/http_error.h"
#include "rag/parse/child_process.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr size_t kMaxReasonBytes = 1'000;

// The body of a reply to a before.* event.
absl::StatusOr<HookReply> ReadReply(const HookSpec& hook, std::string_view body) {
  HookReply reply;
  const std::string text(ToStd(absl::StripAsciiWhitespace(ToAbsl(body))));
  if (text.empty()) return reply;
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto allowed = json.is_object() ? json.find("allowed") : json.end();
  if (!json.is_object() || allowed == json.end() || !allowed->is_boolean()) {
    return absl::DataLossError(Concat(
        "hook ", hook.name, " answered what is no {\"allowed\": …}: '", Escape(text, 100), "'"));
  }
  reply.allowed = allowed->get<bool>();
  const auto reason = json.find("reason");
  if (reason != json.end() && reason->is_string())
    reply.reason = reason->get<std::string>().substr(0, kMaxReasonBytes);
  return reply;
}

absl::StatusOr<std::string> Post(const HookSpec& hook, const Event& event, int64_t now_us,
                                 const HttpClient& http, const CancelToken& cancel) {
  HttpRequest request{.url = hook.url,
                      .body = EventToJson(event),
                      .timeout_ms = hook.timeout_ms,
                      .silence_ms = hook.timeout_ms,
                      .max_reply_bytes = hook.max_output_bytes};
  const int64_t timestamp_s = now_us / 1'000'000;
  request.headers = {{"Content-Type", "application/cloudevents+json; charset=utf-8"},
                     {"webhook-id", event.id},
                     {"webhook-timestamp", std::to_string(timestamp_s)}};
  if (!hook.secret.empty()) {
    request.headers.emplace_back(
        "webhook-signature", WebhookSignature(hook.secret, event.id, timestamp_s, request.body));
  }
  absl::StatusOr<HttpReply> reply = http.Post(request, cancel);
  if (!reply.ok()) return reply.status();
  if (reply->status < 200 || reply->status > 299) return StatusOfReply(hook.url, *reply);
  return std::move(reply->body);
}

absl::StatusOr<std::string> RunCommand(const HookSpec& hook, const Event& event,
                                const CancelToken& cancel) {
  ChildOptions options{.program = hook.command[0],
                       .arguments = {hook.command.begin() + 1, hook.command.end()},
                       .input = EventToJson(event) + "\n",
                       .time = std::chrono::milliseconds(hook.timeout_ms),
                       .output_bytes = hook.max_output_bytes};
  std::string output;
  const absl::StatusOr<ChildEnd> end = RunChild(options, cancel, [&output](std::string_view piece) {
    output += piece;
    return absl::OkStatus();
  });
  const std::string who = Concat("hook ", hook.name, ": ", hook.command[0]);
  if (absl::IsDeadlineExceeded(end.status()))
    return absl::DeadlineExceededError(Concat(who, " did not end within ", hook.timeout_ms, " ms"));
  if (absl::IsResourceExhausted(end.status())) {
    return absl::ResourceExhaustedError(
        Concat(who, " printed more than ", hook.max_output_bytes, " bytes"));
  }
  if (!end.ok()) return end.status();
  if (end->signal != 0)
    return absl::InternalError(Concat(who, " was ended by signal ", end->signal));
  if (end->exit_code != 0) {
    return absl::InternalError(Concat(who, " ended with code ", end->exit_code,
                                      end->errors.empty() ? "" : ": ", Escape(end->errors)));
  }
  return output;
}

}  // namespace

std::string WebhookSignature(std::string_view secret, std::string_view id, int64_t timestamp_s,
                             std::string_view body) {
  // A key as the specification writes it is base64 after "whsec_"; any other text is the key itself.
  constexpr std::string_view kPrefix = "whsec_";
  std::string key(secret);
  if (std::string decoded;
      secret.starts_with(kPrefix) && absl::Base64Unescape(ToAbsl(secret.substr(kPrefix.size())), &decoded)) {
    key = std::move(decoded);
  }
  const std::string signed_text = Concat(id, ".", timestamp_s, ".", body);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size(), digest,
       &size);
  return Concat("v1,",
                absl::Base64Escape(absl::string_view(reinterpret_cast<char*>(digest), size)));
}

absl::StatusOr<HookReply> CallHook(const HookSpec& hook, const Event& event, int64_t now_us,
                                   const HttpClient& http, const CancelToken& cancel) {
  const absl::StatusOr<std::string> output =
      hook.url.empty() ? RunCommand(hook, event, cancel) : Post(hook, event, now_us, http, cancel);
  if (!output.ok()) {
    return absl::Status(output.status().code(),
                        WithoutSecret(std::string(output.status().message()), hook.secret));
  }
  if (event.type.starts_with("before.")) return ReadReply(hook, *output);
  return HookReply();  // what it says of what has happened changes nothing
}

}  // namespace vouch
