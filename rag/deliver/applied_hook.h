#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/deliver/hook.h"

namespace vouch {

// A hook that was applied (`vouch apply`), as it is kept: of one tenant, told over HTTP alone, and its secret named and not
// held. Whether it is called is the operator's to allow (hook_rules.h).
struct AppliedHook {
  static constexpr std::string_view kKind = "hook";  // of SpecStore
  static constexpr size_t kMaxUrlBytes = 2'048;
  static constexpr int64_t kMaxPauseMs = 3'600'000;
  // What its secret's variable is called begins so: no other variable of the server can be asked for.
  static constexpr std::string_view kSecretPrefix = "VOUCH_HOOK_";

  HookSpec spec = {};  // its secret is empty
  std::string secret_env = {};
};

// INVALID_ARGUMENT names the field, the value and what it takes.
absl::Status CheckAppliedHook(const AppliedHook& hook);
// The canonical form: all fields in one order, defaults filled in.
std::string AppliedHookToJson(const AppliedHook& hook);
// DATA_LOSS.
absl::StatusOr<AppliedHook> AppliedHookFromJson(std::string_view json);

}  // namespace vouch
