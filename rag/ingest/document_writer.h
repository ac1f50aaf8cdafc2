#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/ingest/document_entry.h"
#include "rag/ingest/model_keeper.h"
#include "rag/ingestor.h"
#include "rag/provenance.h"

namespace vouch {

// A parsed and chunked document that waits to be committed.
struct PendingDocument {
  std::string id;
  DocumentEntry entry;  // `embedder` is set when it is written
  std::string metadata;
  Artifact source;
  std::optional<Artifact> rendition;
  std::vector<std::string> payloads;  // one a chunk, as the next two
  std::vector<Provenance> provenance;
  std::vector<std::string> texts;     // to embed
  // Kept between tries: vectors by the embedder of that id.
  std::vector<std::vector<float>> vectors;
  std::string vectors_by;

  size_t chunks() const { return payloads.size(); }
};

// Commits documents with their chunks, and takes them out again.
//
// Each commit is planned at a version and made only if that is still the latest (compare and swap), so that what it
// replaces and the model it embeds by are those of that version; otherwise it is planned anew.
//
// Not thread safe.
class DocumentWriter {
 public:
  DocumentWriter(Collection& collection, ModelKeeper& model, Principal principal, CancelToken cancel)
      : collection_(collection), model_(model), principal_(std::move(principal)), cancel_(std::move(cancel)) {}

  // All of them in one commit, none where all are there already. Counts in `report`.
  absl::Status Write(std::span<PendingDocument> documents, IngestReport* report);
  // Retires all chunks of documents, in commits of bounded size. Unknown ones are left out.
  absl::Status Delete(std::span<const std::string> document_ids, IngestReport* report);
  // The entry of a document; nullopt where it is unknown.
  absl::StatusOr<std::optional<DocumentEntry>> FindEntry(std::string_view document_id) const;

 private:
  struct Plan;
  absl::StatusOr<Plan> MakePlan(std::span<PendingDocument> documents, Version at);
  absl::Status PlanDocument(PendingDocument& document, const std::string& embedder_id, Plan* plan);
  absl::Status Embed(std::span<PendingDocument*> documents, const Embedder& embedder);
  absl::StatusOr<bool> IsKept(const PointInput& point) const;
  absl::Status DeleteSome(std::span<const std::string> document_ids, IngestReport* report);

  Collection& collection_;
  ModelKeeper& model_;
  const Principal principal_;
  const CancelToken cancel_;
};

}  // namespace vouch
