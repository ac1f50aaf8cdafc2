#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "query/collection.h"

namespace vouch {

// Keeps a readable version readable, whatever retention lets go, until the last copy goes. Errors as Collection::Resolve's.
absl::StatusOr<std::shared_ptr<const void>> HoldVersion(const Collection& collection, Version version);

}  // namespace vouch
