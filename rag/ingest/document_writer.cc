#include "rag/ingest/document_writer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "rag/ingest/chunk_point.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr int kMaxAttempts = 64;
constexpr size_t kMaxDeletedChunks = 20'000;  // a commit

}  // namespace

struct DocumentWriter::Plan {
  struct Row {
    PendingDocument* document;
    size_t chunk;
  };
  WriteRequest write;
  std::vector<Row> rows;  // of write.upserts
  std::shared_ptr<const Embedder> embedder;
  uint64_t added = 0;
  uint64_t changed = 0;
  uint64_t unchanged = 0;
  uint64_t kept = 0;
};

absl::StatusOr<std::optional<DocumentEntry>> DocumentWriter::FindEntry(std::string_view document_id) const {
  auto stored = collection_.store().GetDocument(collection_.id(), DocumentKey(document_id));
  if (!stored.ok()) return stored.status();
  if (!*stored) return std::optional<DocumentEntry>();
  absl::StatusOr<DocumentEntry> entry = DocumentEntry::Decode(**stored);
  if (!entry.ok()) return entry.status();
  return std::optional<DocumentEntry>(*std::move(entry));
}

absl::StatusOr<bool> DocumentWriter::IsKept(const PointInput& point) const {
  const Store& store = collection_.store();
  absl::StatusOr<CollectionState> state = store.GetState(collection_.id());
  if (!state.ok()) return state.status();
  absl::StatusOr<std::optional<RowId>> row = store.FindPoint(collection_.id(), point.id, state->latest);
  if (!row.ok()) return row.status();
  if (!*row) return false;
  absl::StatusOr<RowRecord> record = store.ReadRow(collection_.id(), **row, /*with_vectors=*/false);
  if (!record.ok()) return record.status();
  return record->payload == point.payload && record->provenance == point.provenance;
}

absl::Status DocumentWriter::PlanDocument(PendingDocument& document, const std::string& embedder_id, Plan* plan) {
  document.entry.embedder = model_.entry_name();
  absl::StatusOr<std::optional<DocumentEntry>> old = FindEntry(document.id);
  if (!old.ok()) return old.status();
  if (*old && (*old)->SameAs(document.entry)) {
    ++plan->unchanged;
    return absl::OkStatus();
  }
  ++(*old ? plan->changed : plan->added);
  for (size_t i = 0; i < document.chunks(); ++i) {
    PointInput point;
    point.id = ChunkPointId(document.id, static_cast<uint32_t>(i));
    point.payload = document.payloads[i];
    document.provenance[i].embedder = embedder_id;
    point.provenance = EncodeProvenance(document.provenance[i]);
    if (*old && i < (*old)->chunks) {
      absl::StatusOr<bool> kept = IsKept(point);
      if (!kept.ok()) return kept.status();
      if (*kept) {
        ++plan->kept;
        continue;
      }
    }
    plan->write.upserts.push_back(std::move(point));
    plan->rows.push_back({&document, i});
  }
  for (uint32_t i = document.chunks(); *old && i < (*old)->chunks; ++i) {
    plan->write.deletes.push_back(ChunkPointId(document.id, i));
  }
  plan->write.artifacts.push_back(document.source);
  if (document.rendition) plan->write.artifacts.push_back(*document.rendition);
  plan->write.documents.push_back({.key = DocumentKey(document.id), .value = document.entry.Encode()});
  return absl::OkStatus();
}

absl::StatusOr<DocumentWriter::Plan> DocumentWriter::MakePlan(std::span<PendingDocument> documents, Version at) {
  Plan plan;
  plan.write.principal = principal_;
  plan.write.expected_version = at;
  ModelKeeper::Choice choice;
  if (model_.embeds()) {
    absl::StatusOr<ModelKeeper::Choice> chosen = model_.Choose(at);
    if (!chosen.ok()) return chosen.status();
    choice = *std::move(chosen);
  }
  const std::string embedder_id = choice.embedder == nullptr ? "" : choice.embedder->id();
  for (PendingDocument& document : documents) {
    if (absl::Status status = PlanDocument(document, embedder_id, &plan); !status.ok()) return status;
  }
  plan.embedder = choice.embedder;
  if (choice.uncommitted && !plan.write.upserts.empty()) {
    if (absl::Status status = model_.AddModel(at, &plan.write); !status.ok()) return status;
  }
  return plan;
}

absl::Status DocumentWriter::Embed(std::span<PendingDocument*> documents, const Embedder& embedder) {
  std::vector<std::string> texts;
  for (const PendingDocument* document : documents) {
    texts.insert(texts.end(), document->texts.begin(), document->texts.end());
  }
  auto vectors = embedder.Embed(texts, cancel_);
  if (!vectors.ok()) return vectors.status();
  size_t at = 0;
  for (PendingDocument* document : documents) {
    document->vectors.assign(std::make_move_iterator(vectors->begin() + at),
                             std::make_move_iterator(vectors->begin() + at + document->texts.size()));
    document->vectors_by = embedder.id();
    at += document->texts.size();
  }
  return absl::OkStatus();
}

absl::Status DocumentWriter::Write(std::span<PendingDocument> documents, IngestReport* report) {
  absl::Status aborted;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    if (absl::Status status = cancel_.Check(); !status.ok()) return status;
    absl::StatusOr<CollectionState> state = collection_.store().GetState(collection_.id());
    if (!state.ok()) return state.status();
    absl::StatusOr<Plan> plan = MakePlan(documents, state->latest);
    if (!plan.ok()) return plan.status();
    if (plan->embedder != nullptr) {
      std::vector<PendingDocument*> to_embed;
      for (const Plan::Row& row : plan->rows) {
        const bool listed = !to_embed.empty() && to_embed.back() == row.document;
        if (!listed && row.document->vectors_by != plan->embedder->id()) to_embed.push_back(row.document);
      }
      if (absl::Status status = Embed(to_embed, *plan->embedder); !status.ok()) return status;
      for (size_t i = 0; i < plan->rows.size(); ++i) {
        const std::vector<float>& vector = plan->rows[i].document->vectors[plan->rows[i].chunk];
        if (!vector.empty()) plan->write.upserts[i].vectors.emplace_back(model_.field_name(), vector);
      }
      if (!plan->rows.empty()) report->embedder = plan->embedder->id();
    }
    if (!plan->write.documents.empty()) {
      absl::StatusOr<WriteResult> result = collection_.Write(std::move(plan->write));
      if (absl::IsAborted(result.status())) {
        aborted = result.status();
        continue;
      }
      if (!result.ok()) return result.status();
      ++report->commits;
      report->chunks_added += result->upserted;
      report->chunks_retired += result->retired;
    }
    report->documents_added += plan->added;
    report->documents_changed += plan->changed;
    report->documents_unchanged += plan->unchanged;
    report->chunks_kept += plan->kept;
    return absl::OkStatus();
  }
  return aborted;
}

absl::Status DocumentWriter::DeleteSome(std::span<const std::string> document_ids, IngestReport* report) {
  absl::Status aborted;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    if (absl::Status status = cancel_.Check(); !status.ok()) return status;
    absl::StatusOr<CollectionState> state = collection_.store().GetState(collection_.id());
    if (!state.ok()) return state.status();
    WriteRequest write;
    write.principal = principal_;
    write.expected_version = state->latest;
    for (const std::string& id : document_ids) {
      absl::StatusOr<std::optional<DocumentEntry>> entry = FindEntry(id);
      if (!entry.ok()) return entry.status();
      if (!*entry) continue;
      for (uint32_t i = 0; i < (*entry)->chunks; ++i) write.deletes.push_back(ChunkPointId(id, i));
      write.documents.push_back({.key = DocumentKey(id), .value = std::nullopt});
    }
    if (write.documents.empty()) return absl::OkStatus();
    const uint64_t documents = write.documents.size();
    absl::StatusOr<WriteResult> result = collection_.Write(std::move(write));
    if (result.ok()) {
      ++report->commits;
      report->documents_deleted += documents;
      report->chunks_retired += result->retired;
      return absl::OkStatus();
    }
    if (!absl::IsAborted(result.status())) return result.status();
    aborted = result.status();
  }
  return aborted;
}

absl::Status DocumentWriter::Delete(std::span<const std::string> document_ids, IngestReport* report) {
  size_t begin = 0;
  size_t chunks = 0;
  for (size_t i = 0; i < document_ids.size(); ++i) {
    absl::StatusOr<std::optional<DocumentEntry>> entry = FindEntry(document_ids[i]);
    if (!entry.ok()) return entry.status();
    const size_t more = *entry ? (*entry)->chunks + 1 : 0;
    if (i > begin && chunks + more > kMaxDeletedChunks) {
      if (absl::Status status = DeleteSome(document_ids.subspan(begin, i - begin), report); !status.ok()) return status;
      begin = i;
      chunks = 0;
    }
    chunks += more;
  }
  return DeleteSome(document_ids.subspan(begin), report);
}

}  // namespace vouch
