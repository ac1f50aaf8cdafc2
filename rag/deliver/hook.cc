#include "rag/deliver/hook.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "rag/deliver/spec_store.h"
#include "rag/field_error.h"
#include "rag/http/http_error.h"
#include "storage/concat.h"

namespace vouch {
namespace {

bool IsIn(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool AsksBefore(const HookSpec& spec) {
  return std::any_of(spec.events.begin(), spec.events.end(),
                     [](const std::string& event) { return event.starts_with("before."); });
}

}  // namespace

bool HookSpec::Wants(std::string_view type) const {
  return IsIn(events, type) || (type.starts_with("after.") && IsIn(events, "after.*"));
}

std::string HookSpec::Target() const {
  return url.empty() ? absl::StrJoin(command, " ") : UrlWithoutSecrets(url);
}

absl::Status CheckHook(const HookSpec& spec) {
  if (absl::Status status = SpecStore::CheckName(spec.name); !status.ok()) return status;
  if (spec.events.empty()) return FieldError("events", "is missing");
  for (const std::string& event : spec.events) {
    if (event == "after.*" || IsIn(AfterEvents(), event) || IsIn(BeforeEvents(), event)) continue;
    return FieldError("events", Concat("has '", Escape(event), "'; there are after.*, ",
                                       absl::StrJoin(AfterEvents(), ", "), ", ",
                                       absl::StrJoin(BeforeEvents(), ", ")));
  }
  if (spec.url.empty() == spec.command.empty())
    return FieldError("the hook", "takes a url or a command, one of the two");
  if (!spec.url.empty() && !spec.url.starts_with("http://") && !spec.url.starts_with("https://"))
    return FieldError("url", Concat("is '", Escape(UrlWithoutSecrets(spec.url)),
                                    "'; it takes http:// or https://"));
  if (!spec.command.empty() && !spec.command[0].starts_with('/')) {
    return FieldError("command", Concat("begins with '", Escape(spec.command[0]),
                                        "'; it takes the program's whole path"));
  }
  if (!spec.secret.empty() && spec.url.empty())
    return FieldError("secret", "is of no use to a command; leave it out");
  if (AsksBefore(spec) && spec.on_failure == HookSpec::OnFailure::kUnset) {
    return FieldError("on_failure",
                      "is missing: where the hook fails, is a before.* event allowed (allow) or not "
                      "(refuse)?");
  }
  if (spec.timeout_ms < 1 || spec.timeout_ms > HookSpec::kMaxTimeoutMs)
    return FieldError("timeout_ms",
                      Concat("is ", spec.timeout_ms, "; it takes 1 to ", HookSpec::kMaxTimeoutMs));
  if (spec.attempts < 1 || spec.attempts > 100)
    return FieldError("attempts", Concat("is ", spec.attempts, "; it takes 1 to 100"));
  if (spec.first_pause_ms < 1 || spec.first_pause_ms > spec.max_pause_ms)
    return FieldError("first_pause_ms",
                      Concat("is ", spec.first_pause_ms, "; it takes 1 to max_pause_ms (",
                             spec.max_pause_ms, ")"));
  return absl::OkStatus();
}

}  // namespace vouch
