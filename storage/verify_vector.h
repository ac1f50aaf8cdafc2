#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "storage/key_format.h"
#include "storage/schema.h"

namespace vouch {

// Whether a value of `vectors` decodes and is what the schema says of its field. DATA_LOSS says
// what is wrong first.
absl::Status VerifyVector(const CollectionSchema& schema, const VectorKeyParts& parts,
                          std::string_view value);

}  // namespace vouch
