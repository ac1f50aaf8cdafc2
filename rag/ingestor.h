#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/database.h"
#include "rag/chunk/chunker.h"
#include "rag/document.h"
#include "rag/embed/embedder_registry.h"

namespace vouch {

struct IngestOptions {
  std::string collection = {};
  Principal principal = {};
  // Made with sensible defaults where it is missing: a dense field "embedding" (cosine, HNSW) filled by `embedder`, a
  // text field "text" over title and text, payload fields doc_id, source, title, heading, media_type, and the scalar
  // metadata keys of the first batch with their types.
  bool create_collection = true;
  // of a collection that is made: empty takes builtin/lsa; one that is there must have it
  std::string embedder = {};
  ChunkOptions chunking = {};
  bool skip_bad = true;    // false: the first bad document ends the run
  bool retrain = false;    // train builtin/lsa anew on all texts and embed them again, in one commit
  // Documents of these scopes that were not added by Finish are gone from the source: their rows are retired.
  std::vector<std::string> scopes = {};
  size_t batch_chunks = 256;  // chunks a commit, more where one document has more
};

struct IngestProgress {
  std::string phase = {};  // "reading", "training", "embedding", "done"
  uint64_t documents = 0;
  uint64_t chunks = 0;
  uint64_t bytes = 0;
  double fraction = 0;  // of the phase, where it is known, else -1
};

struct IngestReport {
  uint64_t documents_added = 0;
  uint64_t documents_changed = 0;
  uint64_t documents_unchanged = 0;
  uint64_t documents_deleted = 0;
  uint64_t chunks_added = 0;
  uint64_t chunks_retired = 0;
  uint64_t chunks_kept = 0;      // of changed documents, same text and place
  uint64_t bytes = 0;
  uint64_t commits = 0;
  Version version = {};       // after the run
  std::string embedder = {};  // id in use
  struct Skipped {
    std::string document = {};
    std::string reason = {};
  };
  uint64_t skipped_count = 0;
  std::vector<Skipped> skipped = {};  // the first 1,000
};

// Documents into a collection: parse, chunk, compare with what is there, embed, commit.
//
// Invariants:
// 1. All chunks of a document and its entry in `documents` change in one commit.
// 2. A document whose content hash, metadata, parser, chunker and embedder are those of its entry is not touched: a
//    second run over unchanged input commits nothing.
// 3. Killed at any moment, the next run goes on: what is committed is complete, the rest is new.
// 4. Every row says where it came from: provenance holds document, source hash, span map, parser, chunker, embedder.
//
// Not thread safe; one ingestor a run. Several runs on one collection at a time are allowed.
class Ingestor {
 public:
  static absl::StatusOr<std::unique_ptr<Ingestor>> Begin(Database& database, EmbedderRegistry& embedders,
                                                         IngestOptions options, CancelToken cancel,
                                                         std::function<void(const IngestProgress&)> progress);
  virtual ~Ingestor() = default;

  // The content hash of a known document (so that a client need not send what is unchanged); empty where unknown.
  virtual absl::StatusOr<std::string> KnownHash(const std::string& document_id) const = 0;
  // Takes a document. A bad one is counted in the report and skipped, or ends the run (skip_bad = false).
  virtual absl::Status Add(Document document) = 0;
  // The document is there and unchanged (its hash is KnownHash).
  virtual absl::Status AddUnchanged(const std::string& document_id) = 0;
  // A source that the caller could not read: counted, and not taken for deleted.
  virtual void AddSkipped(const std::string& document_id, const absl::Status& reason) = 0;
  virtual absl::StatusOr<IngestReport> Finish() = 0;
};

}  // namespace vouch
