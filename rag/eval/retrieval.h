#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/document.h"
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
// A hit with what judgements name it by.
struct RetrievedChunk {
  std::string point = {};
  std::string document = {};  // external id: the payload's doc_id, else the point's id
  double score = 0;
  // Of ingested chunks, where asked for:
  std::string source_document = {};
  std::string source_hash = {};
  ByteSpan source = {};
};
// What rows of a collection are named by, each row read once: rows never change, and an evaluation
// meets the same ones with every question. Thread safe.
class ChunkNames {
 public:
  static constexpr size_t kMaxRows = 500'000;  // kept at a time; beyond, it begins anew

  // A chunk for each hit, in their order. The hits must be visible to the run's principal at its
  // version.
  absl::StatusOr<std::vector<RetrievedChunk>> Name(const Collection& collection,
                                                   const std::vector<PointHit>& hits,
                                                   const TreeRun& run, bool with_sources);

 private:
  struct Named {
    RetrievedChunk chunk = {};  // without its score
    bool has_sources = false;
  };
  absl::Status Read(const Collection& collection, const std::vector<PointHit>& hits,
                    const TreeRun& run, bool with_sources);

  std::mutex mu_;
  std::unordered_map<uint64_t, std::shared_ptr<const Named>> rows_;  // guarded by mu_
};

// The best chunks, best first, of at least `depth` documents where there are so many, at most
// QueryLimits::kMaxLimit chunks.
absl::StatusOr<std::vector<RetrievedChunk>> SearchChunks(const Collection& collection,
                                                         const QueryNode& root, const TreeRun& run,
                                                         bool with_sources, ChunkNames& names);
// The best documents with their best chunks' scores.
absl::StatusOr<std::map<std::string, double>> RunTree(const Collection& collection,
                                                      const QueryNode& root, const TreeRun& run,
                                                      ChunkNames& names);

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
