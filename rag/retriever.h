#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
struct EmbeddedText {
  std::vector<float> vector;
  std::string embedder;  // its id
};
// A text as a vector of one dense field ("": the first with an embedder), by the embedder of the
// version read. INVALID_ARGUMENT: no such field, or the text says nothing to the embedder.
// FAILED_PRECONDITION: the field has no embedder.
absl::StatusOr<EmbeddedText> EmbedQuery(Collection& collection, EmbedderRegistry& embedders,
                                        std::string_view field, std::string_view text, Version at,
                                        const CancelToken& cancel);

absl::StatusOr<TextQuery> BuildTextQuery(Collection& collection, EmbedderRegistry& embedders,
                                         std::string_view text, RetrievalMode mode, Version at,
                                         const CancelToken& cancel);

}  // namespace vouch
