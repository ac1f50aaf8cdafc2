#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/metrics.h"
#include "rag/retriever.h"

namespace vouch {

struct EvaluationQuery {
  std::string id = {};
  std::string text = {};
};
// JSONL {_id, text}. INVALID_ARGUMENT with the line number.
absl::StatusOr<std::vector<EvaluationQuery>> ParseQueries(std::string_view jsonl);

struct RetrievalEvaluationRequest {
  std::vector<EvaluationQuery> queries = {};
  RetrievalMode mode = RetrievalMode::kHybrid;
  uint32_t depth = 1'000;  // documents a query
  ReadAt at = {};
  Principal principal = {};
  CancelToken cancel = {};
};

// How one tree is run for evaluation.
struct TreeRun {
  uint32_t depth = 10;  // documents
  Version at = {};
  Principal principal = {};
  CancelToken cancel = {};
};
// The best documents with their best chunks' scores.
absl::StatusOr<std::map<std::string, double>> RunTree(const Collection& collection,
                                                      const QueryNode& root, const TreeRun& run);

// Runs the queries at one version. Hits are chunks; a document (payload doc_id) scores as its best
// chunk.
struct RetrievalRun {
  Run run = {};
  Version version = {};
  std::string embedder = {};
  std::string fusion = {};  // id of the tuned fusion that was used; empty: the default
};
absl::StatusOr<RetrievalRun> RunQueries(Collection& collection, EmbedderRegistry& embedders,
                                        const RetrievalEvaluationRequest& request,
                                        const std::function<void(double)>& progress);

}  // namespace vouch
