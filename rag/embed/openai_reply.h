#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// Reads the reply to POST /embeddings: {"data": [{"index": 0, "embedding": [floats] | "base64 of
// little-endian f32"}]}. Returns `count` vectors of `dim` floats by index; a vector of zeros
// becomes an empty one. INVALID_ARGUMENT where the reply is no JSON, or has another count, an index
// twice or out of range, another dimension, or a number that is not finite; the message says which.
absl::StatusOr<std::vector<std::vector<float>>> ParseEmbeddingsReply(std::string_view body,
                                                                     size_t count, uint32_t dim);

}  // namespace vouch
