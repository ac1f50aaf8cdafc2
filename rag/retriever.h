#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/embed/embedder_registry.h"
#include "rag/fusion_settings.h"

namespace vouch {

enum class RetrievalMode : uint8_t { kDense, kText, kHybrid };
absl::StatusOr<RetrievalMode> ParseRetrievalMode(
    std::string_view text);  // "dense", "text", "hybrid"
std::string_view RetrievalModeName(RetrievalMode mode);

// The leaves that a text question becomes: of the embedded dense field, of the text field, or both.
// A leg to which the text says nothing (no term that its embedder knows) is left out.
struct TextLegs {
  std::vector<QueryNode> legs = {};
  std::optional<QueryNode> phrases = {};  // see AddPhrases
  std::string embedder = {};  // its id; empty for kText
};
absl::StatusOr<TextLegs> BuildTextLegs(Collection& collection, EmbedderRegistry& embedders,
                                       std::string_view text, RetrievalMode mode, Version at,
                                       const CancelToken& cancel);

// Makes legs.phrases of the text leg, if there is one and its text has neighbours: a text leaf of
// any of the pairs of words that follow one another in the text, stop words left out, as phrases
// without slop. BM25 of words knows nothing of their order; of the sequential dependence model
// (Metzler and Croft, "A Markov Random Field Model for Term Dependencies", SIGIR 2005) this is the
// ordered part. Of a long text the first kMaxPhrases pairs.
inline constexpr size_t kMaxPhrases = 64;
absl::Status AddPhrases(const CollectionSchema& schema, TextLegs& legs);

// The legs under a fusion; a single leg as it is, and no leg a tree without hits. A leg of weight 0
// is left out.
QueryNode FuseLegs(TextLegs legs, const FusionSettings& settings);

// The fusion that was tuned for the collection and holds at the version; nullopt where the default
// does.
absl::StatusOr<std::optional<FusionEntry>> TunedFusionAt(Collection& collection, Version at);

// A text question as a query tree over the collection's embedded dense field and its text field at
// a version, fused by what was tuned for it, else by the default.
struct TextQuery {
  QueryNode root = {};
  std::string embedder = {};
  std::string fusion = {};  // id of a tuned fusion that was used; empty where none was
};
struct EmbeddedText {
  std::vector<float> vector = {};
  std::string embedder = {};  // its id
};
// A text as a vector of one dense field ("": the first with an embedder), by the embedder of the
// version read. INVALID_ARGUMENT: no such field, or the text says nothing to the embedder.
// FAILED_PRECONDITION: the field has no embedder.
absl::StatusOr<EmbeddedText> EmbedQuery(Collection& collection, EmbedderRegistry& embedders,
                                        std::string_view field, std::string_view text, Version at,
                                        const CancelToken& cancel);

// Many texts at once; a vector is empty where its text says nothing to the embedder.
struct EmbeddedTexts {
  std::vector<std::vector<float>> vectors = {};  // one a text, in order
  std::string embedder = {};
  uint32_t dim = 0;
};
// Errors as EmbedQuery's.
absl::StatusOr<EmbeddedTexts> EmbedTexts(Collection& collection, EmbedderRegistry& embedders,
                                         std::string_view field, std::span<const std::string> texts,
                                         Version at, const CancelToken& cancel);

absl::StatusOr<TextQuery> BuildTextQuery(Collection& collection, EmbedderRegistry& embedders,
                                         std::string_view text, RetrievalMode mode, Version at,
                                         const CancelToken& cancel);

}  // namespace vouch
