#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/embed/embedder_registry.h"

namespace vouch {

enum class RetrievalMode : uint8_t { kDense, kText, kHybrid };
absl::StatusOr<RetrievalMode> ParseRetrievalMode(
    std::string_view text);  // "dense", "text", "hybrid"
std::string_view RetrievalModeName(RetrievalMode mode);

// A text question as a query tree over the collection's embedded dense field and its text field at
// a version: the leaf of the mode, or weighted RRF of both (of the one there is, where the text has
// no known term for the other). Returns the tree and the embedder's id (empty for kText).
struct TextQuery {
  QueryNode root = {};
  std::string embedder = {};
};
absl::StatusOr<TextQuery> BuildTextQuery(Collection& collection, EmbedderRegistry& embedders,
                                         std::string_view text, RetrievalMode mode, Version at,
                                         const CancelToken& cancel);

}  // namespace vouch
