#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/config.h"
#include "api/route_file.h"
#include "rag/deliver/hook.h"
#include "rag/deliver/hook_rules.h"

namespace vouch {

// Hooks from YAML (docs/delivery.md shows one), at most HookSpec::kMaxHooks. INVALID_ARGUMENT names
// file, line, key, value and what it takes. Secrets come from the variables and files that it
// names; NOT_FOUND where there is none.
absl::StatusOr<std::vector<HookSpec>> ParseHookFile(const std::string& file_name,
                                                    const std::string& text,
                                                    const Environment& environment);

// Those of the file that the settings name; none where they name none.
absl::StatusOr<std::vector<HookSpec>> HooksOf(const Config& config, const Environment& environment);

// What the settings allow of hooks that are applied; their secrets come from `environment`. INVALID_ARGUMENT names the
// prefix that is no URL.
absl::StatusOr<HookRules> HookRulesOf(const Config& config, const Environment& environment);

}  // namespace vouch
