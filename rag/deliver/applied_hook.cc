#include "rag/deliver/applied_hook.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "rag/deliver/spec_store.h"
#include "rag/field_error.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr size_t kMaxVariableBytes = 100;
// A setting, and no secret (api/config.h).
constexpr std::string_view kUrlsVariable = "VOUCH_HOOK_URLS";

absl::Status CheckSecretVariable(const std::string& name) {
  constexpr std::string_view kPrefix = AppliedHook::kSecretPrefix;
  const auto fits = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  if (name.empty()) return absl::OkStatus();
  if (name.size() > kPrefix.size() && name.size() <= kMaxVariableBytes && name.starts_with(kPrefix) &&
      name != kUrlsVariable && std::all_of(name.begin(), name.end(), fits)) {
    return absl::OkStatus();
  }
  return FieldError("secret_env", Concat("is '", Escape(name), "'; it takes a variable of the server whose name begins with ",
                                         kPrefix, " (and is not ", kUrlsVariable, "), of at most ", kMaxVariableBytes,
                                         " letters, digits and _"));
}

std::string_view PolicyName(HookSpec::OnFailure policy) {
  switch (policy) {
    case HookSpec::OnFailure::kUnset:
      return "";
    case HookSpec::OnFailure::kAllow:
      return "allow";
    case HookSpec::OnFailure::kRefuse:
      return "refuse";
  }
  return "";
}

}  // namespace

absl::Status CheckAppliedHook(const AppliedHook& hook) {
  const HookSpec& spec = hook.spec;
  if (absl::Status status = SpecStore::CheckName(spec.name); !status.ok()) return status;
  if (!spec.command.empty()) {
    return FieldError("command", "is not for hooks that are applied: they speak HTTP alone (url); programs are the operator's, "
                                 "in the file of --hooks");
  }
  if (spec.url.empty()) return FieldError("url", "is missing");
  if (spec.url.size() > AppliedHook::kMaxUrlBytes) {
    return FieldError("url", Concat("has ", spec.url.size(), " bytes; the limit is ", AppliedHook::kMaxUrlBytes));
  }
  if (absl::Status status = CheckHook(spec); !status.ok()) return status;
  if (std::set<std::string>(spec.events.begin(), spec.events.end()).size() != spec.events.size())
    return FieldError("events", "has one twice");
  if (spec.max_pause_ms > AppliedHook::kMaxPauseMs) {
    return FieldError("max_pause_ms", Concat("is ", spec.max_pause_ms, "; it takes 1 to ", AppliedHook::kMaxPauseMs));
  }
  return CheckSecretVariable(hook.secret_env);
}

std::string AppliedHookToJson(const AppliedHook& hook) {
  const HookSpec& spec = hook.spec;
  const RecordJson json = {{"format", 1},
                           {"name", spec.name},
                           {"events", spec.events},
                           {"url", spec.url},
                           {"secret_env", hook.secret_env},
                           {"on_failure", PolicyName(spec.on_failure)},
                           {"timeout_ms", spec.timeout_ms},
                           {"attempts", spec.attempts},
                           {"first_pause_ms", spec.first_pause_ms},
                           {"max_pause_ms", spec.max_pause_ms}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<AppliedHook> AppliedHookFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", "the hook");
  AppliedHook hook;
  HookSpec& spec = hook.spec;
  uint64_t format = 0;
  std::string policy;
  reader.Take("format", &format);
  reader.Take("name", &spec.name);
  reader.TakeList("events", &spec.events, ReadRecordText);
  reader.Take("url", &spec.url);
  reader.Take("secret_env", &hook.secret_env);
  reader.Take("on_failure", &policy);
  reader.Take("timeout_ms", &spec.timeout_ms);
  reader.Take("attempts", &spec.attempts);
  reader.Take("first_pause_ms", &spec.first_pause_ms);
  reader.Take("max_pause_ms", &spec.max_pause_ms);
  if (!reader.status().ok()) return reader.status();
  if (format != 1)
    return absl::FailedPreconditionError(Concat("the hook has format ", format, "; this program reads 1"));
  if (policy == "allow") spec.on_failure = HookSpec::OnFailure::kAllow;
  if (policy == "refuse") spec.on_failure = HookSpec::OnFailure::kRefuse;
  return hook;
}

}  // namespace vouch
