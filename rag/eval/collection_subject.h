#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/subject.h"

namespace vouch {

enum class AnswerKind : uint8_t {
  kNone,    // retrieval alone
  kQuotes,  // builtin/extractive
  kModels,  // the route's models
};
std::string_view AnswerKindName(AnswerKind kind);  // "none", "quotes", "models"
absl::StatusOr<AnswerKind> ParseAnswerKind(std::string_view text);

struct CollectionSubjectOptions {
  std::string collection = {};
  ReadAt at = {};
  RetrievalMode mode = RetrievalMode::kHybrid;
  uint32_t depth = 1'000;        // documents a question
  AnswerKind answers = AnswerKind::kNone;
  uint32_t context_chunks = 8;   // given to the generator
  ModelRoute* route = nullptr;   // for kModels; borrowed
  Principal principal = {};
};

// A collection at one version as `query` and `ask` use it. FAILED_PRECONDITION: kModels without a
// route.
absl::StatusOr<std::unique_ptr<EvaluationSubject>> NewCollectionSubject(
    Database& database, EmbedderRegistry& embedders, const CollectionSubjectOptions& options);

}  // namespace vouch
