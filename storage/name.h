#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace vouch {

// INVALID_ARGUMENT unless `name` has 1 to Limits::kMaxNameBytes characters of [A-Za-z0-9._-] and does not start with
// '.' or '-'. `what` says in the message what is named: "collection", "tag", "field".
absl::Status CheckName(std::string_view what, std::string_view name);

}  // namespace vouch
