#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rag/embed/embedder.h"

namespace vouch {

// Stateless feature hashing (Weinberger et al., 2009): analysed terms and term pairs, weighted 1 +
// log tf, hashed by XXH3 to a coordinate and a sign, normalised. dim 8 … 4096.
absl::StatusOr<std::shared_ptr<const Embedder>> CreateHashEmbedder(uint32_t dim,
                                                                   const std::string& language);

}  // namespace vouch
