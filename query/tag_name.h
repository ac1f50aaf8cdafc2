#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace vouch {

// INVALID_ARGUMENT where a tag of this name would read as another way to name a version.
absl::Status CheckTagName(std::string_view name);

}  // namespace vouch
