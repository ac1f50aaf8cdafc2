#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace vouch {

// Parses strict JSON (UTF-8). INVALID_ARGUMENT: "<what> is not JSON: …" with the byte where it
// fails.
absl::StatusOr<nlohmann::json> ParseJson(const char* what, std::string_view text);

}  // namespace vouch
