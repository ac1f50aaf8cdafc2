#include "rag/restore.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "rag/document.h"
#include "rag/embed/embedder_history.h"
#include "rag/ingest/chunk_point.h"
#include "rag/ingest/document_entry.h"
#include "rag/provenance.h"

namespace vouch {
namespace {

// Makes the changes of one restoration.
class DocumentRestorer {
 public:
  DocumentRestorer(Collection& collection, const RestorePlan& plan)
      : store_(collection.store()), collection_(collection), plan_(plan) {}

  absl::StatusOr<std::vector<DocumentChange>> Run() {
    std::set<std::string> documents;
    for (const std::string& provenance : plan_.provenances) {
      const absl::StatusOr<Provenance> decoded = DecodeProvenance(provenance);
      if (decoded.ok()) documents.insert(decoded->document);
    }
    for (const std::string& document : documents) {
      if (absl::Status status = RestoreEntry(document); !status.ok()) return status;
    }
    for (const DenseField& field : collection_.schema().dense) {
      if (absl::Status status = RestoreModel(field.name); !status.ok()) return status;
    }
    return std::move(changes_);
  }

 private:
  absl::Status RestoreEntry(const std::string& document) {
    std::optional<RowId> first;
    uint32_t chunks = 0;
    while (true) {
      const auto row =
          store_.FindPoint(collection_.id(), ChunkPointId(document, chunks), plan_.at);
      if (!row.ok()) return row.status();
      if (!row->has_value()) break;
      if (chunks == 0) first = **row;
      ++chunks;
    }
    if (!first.has_value()) {
      changes_.push_back({.key = DocumentKey(document), .value = std::nullopt});
      return absl::OkStatus();
    }
    const absl::StatusOr<RowRecord> row =
        store_.ReadRow(collection_.id(), *first, /*with_vectors=*/false);
    if (!row.ok()) return row.status();
    const absl::StatusOr<Provenance> provenance = DecodeProvenance(row->provenance);
    if (!provenance.ok()) return absl::OkStatus();  // a user's own point of that name
    const auto stored = store_.GetDocument(collection_.id(), DocumentKey(document));
    if (!stored.ok()) return stored.status();
    DocumentEntry entry;
    if (stored->has_value()) {
      absl::StatusOr<DocumentEntry> now = DocumentEntry::Decode(**stored);
      if (!now.ok()) return now.status();
      entry = *std::move(now);
    } else {
      entry.media_type = MediaTypeOf(row->payload);
      entry.embedder = provenance->embedder;
    }
    entry.hash = provenance->source_hash;
    // It is not kept with the chunks. Unknown, it makes the next ingest look at each of them.
    entry.metadata_hash.clear();
    entry.uri = provenance->uri;
    entry.parser = provenance->parser;
    entry.chunker = provenance->chunker;
    entry.chunks = chunks;
    changes_.push_back({.key = DocumentKey(document), .value = entry.Encode()});
    return absl::OkStatus();
  }

  static MediaType MediaTypeOf(const std::string& payload) {
    const auto json = nlohmann::json::parse(payload, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("media_type")) return MediaType::kText;
    for (const MediaType type : {MediaType::kMarkdown, MediaType::kHtml, MediaType::kJsonLines}) {
      if (json["media_type"] == MediaTypeName(type)) return type;
    }
    return MediaType::kText;
  }

  absl::Status RestoreModel(const std::string& field) {
    const std::string key = EmbedderHistoryKey(field);
    const auto stored = store_.GetDocument(collection_.id(), key);
    if (!stored.ok()) return stored.status();
    if (!stored->has_value()) return absl::OkStatus();
    absl::StatusOr<std::vector<EmbedderHistoryEntry>> history = DecodeEmbedderHistory(**stored);
    if (!history.ok()) return history.status();
    const EmbedderHistoryEntry* then = FindEmbedderAt(*history, plan_.at);
    const EmbedderHistoryEntry* now = FindEmbedderAt(*history, plan_.latest);
    if (then == nullptr || now == nullptr || then->id == now->id) return absl::OkStatus();
    EmbedderHistoryEntry again = *then;
    again.from_version = Version(plan_.latest.value + 1);
    history->push_back(std::move(again));
    changes_.push_back({.key = key, .value = EncodeEmbedderHistory(*history)});
    return absl::OkStatus();
  }

  const Store& store_;
  const Collection& collection_;
  const RestorePlan& plan_;
  std::vector<DocumentChange> changes_;
};

}  // namespace

absl::StatusOr<WriteResult> RestoreVersion(Collection& collection, RestoreRequest request) {
  request.documents = [&collection](const RestorePlan& plan) {
    return DocumentRestorer(collection, plan).Run();
  };
  return collection.Restore(std::move(request));
}

}  // namespace vouch
