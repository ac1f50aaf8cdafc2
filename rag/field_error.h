#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {

// INVALID_ARGUMENT: "<field> <what>", of a field of a specification.
inline absl::Status FieldError(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(Concat(field, " ", what));
}

}  // namespace vouch
