#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/subject.h"
#include "rag/pipeline.h"

namespace vouch {

struct PipelineSubjectOptions {
  std::shared_ptr<const PipelineVersion> pipeline = nullptr;  // not null
  ReadAt at = {};
  uint32_t depth = 1'000;       // documents a question, for ranking measures
  bool answers = true;          // false: retrieval alone
  ModelRoute* route = nullptr;  // the models that there are; borrowed
  TreeBuilder tree = nullptr;   // needed where the pipeline has a query of its own
  Principal principal = {};
};

// A version of a pipeline at one version of its collection. What it looks for is ranked `depth`
// documents deep by the pipeline's own retrieval; the answer is the pipeline's. Latency is that of
// the answer, or of retrieval where there is none. FAILED_PRECONDITION: it asks models and there
// are none.
absl::StatusOr<std::unique_ptr<EvaluationSubject>> NewPipelineSubject(
    Database& database, EmbedderRegistry& embedders, const PipelineSubjectOptions& options);

}  // namespace vouch
