#include "rag/migrate/collection_copy.h"

#include <algorithm>
#include <optional>

#include "rag/ingest/chunk_point.h"
#include "rag/ingest/document_entry.h"
#include "rag/provenance.h"
#include "rag/record_reader.h"
#include "storage/fence.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr uint64_t kRowsARead = 256;
constexpr size_t kMaxBatchBytes = size_t{32} << 20;
constexpr size_t kDocumentsACommit = 1'000;
constexpr size_t kDeletesACommit = 10'000;
// What a model is trained on, as at ingestion.
constexpr size_t kMaxTrainingTexts = 20'000;
constexpr size_t kMaxTrainingBytes = size_t{256} << 20;
constexpr size_t kMaxKnownArtifacts = 1'000'000;

size_t BytesOf(const RowRecord& row) {
  size_t bytes = row.payload.size() + row.provenance.size();
  for (const auto& vector : row.vectors) bytes += vector.size() * sizeof(float);
  for (const auto& vector : row.sparse) bytes += vector.indices.size() * 8;
  for (const auto& vector : row.multi_vectors) bytes += vector.values.size() * sizeof(float);
  return bytes;
}

}  // namespace

struct CollectionCopy::Batch {
  WriteRequest write = {};
  std::vector<size_t> embedded = {};  // of write.upserts
  std::vector<std::string> texts = {};
};

std::string EncodeCopyProgress(const CopyProgress& progress) {
  const RecordJson json = {{"format", 1},
                           {"source", progress.source},
                           {"synced", progress.synced.value},
                           {"next_row", progress.next_row}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<CopyProgress> DecodeCopyProgress(std::string_view json) {
  const RecordJson parsed = RecordJson::parse(json, nullptr, /*allow_exceptions=*/false);
  CopyProgress progress;
  uint64_t format = 0;
  RecordReader reader(parsed, "", "the progress of the copy");
  if (!reader.status().ok()) return reader.status();
  reader.Take("format", &format);
  reader.Take("source", &progress.source);
  reader.Take("synced", &progress.synced);
  reader.Take("next_row", &progress.next_row);
  if (!reader.status().ok()) return reader.status();
  if (format != 1) {
    return absl::DataLossError(
        Concat("the progress of the copy has format ", format, "; this program reads 1"));
  }
  return progress;
}

absl::StatusOr<CopyProgress> CollectionCopy::ReadProgress(Collection& target,
                                                          std::string_view source) {
  const auto stored = target.store().GetDocument(target.id(), kCopyDocument);
  if (!stored.ok()) return stored.status();
  const std::string& name = target.info().name;
  if (!stored->has_value()) {
    const absl::StatusOr<CollectionState> state = target.store().GetState(target.id());
    if (!state.ok()) return state.status();
    if (state->rows > 0) {
      return absl::FailedPreconditionError(
          Concat("collection ", name, " has points of its own and is no copy of ", source));
    }
    return CopyProgress{.source = std::string(source), .synced = {}, .next_row = 0};
  }
  absl::StatusOr<CopyProgress> progress = DecodeCopyProgress(**stored);
  if (progress.ok() && progress->source != source) {
    return absl::FailedPreconditionError(
        Concat("collection ", name, " follows ", progress->source, ", not ", source));
  }
  return progress;
}

absl::StatusOr<CollectionCopy> CollectionCopy::Create(Collection& source, Collection& target,
                                                      EmbedderRegistry& embedders,
                                                      std::string_view field, Principal principal,
                                                      CancelToken cancel,
                                                      std::function<void(const Step&)> progress) {
  absl::StatusOr<ModelKeeper> model =
      ModelKeeper::Create(target, embedders, target.schema().FindDense(field));
  if (!model.ok()) return model.status();
  CollectionCopy copy(source, target, *std::move(model), std::string(field), std::move(principal),
                      std::move(cancel), std::move(progress));
  const absl::StatusOr<CollectionState> state = target.store().GetState(target.id());
  if (!state.ok()) return state.status();
  copy.at_ = state->latest;
  return copy;
}

absl::Status CollectionCopy::Write(WriteRequest write, const CopyProgress* done) {
  if (done != nullptr) {
    write.documents.push_back(
        {.key = std::string(kCopyDocument), .value = EncodeCopyProgress(*done)});
  }
  auto fence = target_.store().GetDocument(target_.id(), kFenceDocument);
  if (!fence.ok()) return fence.status();
  if (fence->has_value()) {
    write.documents.push_back({.key = std::string(kFenceDocument), .value = *std::move(*fence)});
  }
  write.principal = principal_;
  write.expected_version = at_;
  const absl::StatusOr<WriteResult> result = target_.Write(std::move(write));
  if (absl::IsAborted(result.status())) {
    return absl::AbortedError(Concat("someone else writes to collection ", target_.info().name, ": ",
                                     ToStd(result.status().message())));
  }
  if (!result.ok()) return result.status();
  at_ = result->version;
  return absl::OkStatus();
}

absl::StatusOr<CollectionCopy::Retired> CollectionCopy::ReadRetired(
    const CollectionState& state, const CopyProgress& done) const {
  Retired retired;
  const absl::Status status = source_.store().ScanRetired(
      source_.id(), {RowId(0), RowId(state.rows)}, [&](RowId row, Version at) {
        if (at > state.latest) return;
        retired.rows.insert(row.value);
        if (row.value < done.next_row && at > done.synced) retired.since.push_back(row);
      });
  if (!status.ok()) return status;
  return retired;
}

absl::Status CollectionCopy::TrainModel(const CollectionState& state, const Retired& retired) {
  const absl::StatusOr<bool> needed = model_.NeedsTraining(at_);
  if (!needed.ok() || !*needed) return needed.status();
  std::vector<std::string> texts;
  size_t bytes = 0;
  for (uint64_t next = 0; next < state.rows; next += kRowsARead) {
    if (texts.size() >= kMaxTrainingTexts || bytes >= kMaxTrainingBytes) break;
    if (absl::Status status = cancel_.Check(); !status.ok()) return status;
    const RowRange range{RowId(next), RowId(std::min(next + kRowsARead, state.rows))};
    const absl::Status status = source_.store().ScanRows(
        source_.id(), range, /*with_vectors=*/false, [&](RowRecord&& row) {
          if (retired.rows.contains(row.row.value)) return absl::OkStatus();
          if (!DecodeProvenance(row.provenance).ok()) return absl::OkStatus();
          texts.push_back(EmbeddedTextOf(row.payload));
          bytes += texts.back().size();
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
  }
  return model_.Train(texts, cancel_, nullptr);
}

absl::Status CollectionCopy::CopyArtifact(const std::string& hash) {
  if (hash.empty() || artifacts_.contains(hash)) return absl::OkStatus();
  Store& store = source_.store();
  if (const auto there = store.GetArtifact(target_.id(), hash); !there.ok()) {
    if (!absl::IsNotFound(there.status())) return there.status();
    absl::StatusOr<std::string> bytes = store.GetArtifact(source_.id(), hash);
    if (absl::IsNotFound(bytes.status())) return absl::OkStatus();  // nor is it in the source
    if (!bytes.ok()) return bytes.status();
    absl::Status put = store.PutArtifact(target_.id(), {.hash = hash, .bytes = *std::move(bytes)});
    if (!put.ok()) return put;
  }
  if (artifacts_.size() >= kMaxKnownArtifacts) artifacts_.clear();
  artifacts_.insert(hash);
  return absl::OkStatus();
}

absl::Status CollectionCopy::AddPoint(RowRecord row, const std::string& embedder, Batch* batch) {
  const CollectionSchema& schema = source_.schema();
  PointInput point;
  absl::StatusOr<Provenance> provenance = DecodeProvenance(row.provenance);
  for (size_t i = 0; i < row.vectors.size() && i < schema.dense.size(); ++i) {
    if (row.vectors[i].empty() || schema.dense[i].dropped) continue;
    if (schema.dense[i].name != field_) {
      point.vectors.emplace_back(schema.dense[i].name, std::move(row.vectors[i]));
    } else if (!provenance.ok()) {
      return absl::FailedPreconditionError(
          Concat("point ", row.id.ToString(), " of collection ", source_.info().name,
                 " was not ingested and has a vector of its own in field ", field_,
                 ", which cannot be embedded anew"));
    }
  }
  for (size_t i = 0; i < row.sparse.size() && i < schema.sparse.size(); ++i) {
    if (!row.sparse[i].empty() && !schema.sparse[i].dropped) {
      point.sparse_vectors.emplace_back(schema.sparse[i].name, std::move(row.sparse[i]));
    }
  }
  for (size_t i = 0; i < row.multi_vectors.size() && i < schema.multi_vector.size(); ++i) {
    if (!row.multi_vectors[i].empty() && !schema.multi_vector[i].dropped) {
      point.multi_vectors.emplace_back(schema.multi_vector[i].name,
                                       std::move(row.multi_vectors[i]));
    }
  }
  point.provenance = std::move(row.provenance);
  if (provenance.ok()) {
    for (const std::string& hash : {provenance->source_hash, provenance->rendition_hash}) {
      if (absl::Status status = CopyArtifact(hash); !status.ok()) return status;
    }
    provenance->embedder = embedder;
    point.provenance = EncodeProvenance(*provenance);
    batch->embedded.push_back(batch->write.upserts.size());
    batch->texts.push_back(EmbeddedTextOf(row.payload));
  }
  point.id = std::move(row.id);
  point.payload = std::move(row.payload);
  point.access = std::move(row.access);
  batch->write.upserts.push_back(std::move(point));
  return absl::OkStatus();
}

absl::Status CollectionCopy::WriteRows(std::span<RowRecord> rows, const CopyProgress& done) {
  if (absl::Status status = cancel_.Check(); !status.ok()) return status;
  const absl::StatusOr<ModelKeeper::Choice> choice = model_.Choose(at_);
  if (!choice.ok()) return choice.status();
  const std::string embedder = choice->embedder == nullptr ? "" : choice->embedder->id();
  Batch batch;
  for (RowRecord& row : rows) {
    if (absl::Status status = AddPoint(std::move(row), embedder, &batch); !status.ok()) return status;
  }
  if (choice->embedder != nullptr && !batch.texts.empty()) {
    auto vectors = choice->embedder->Embed(batch.texts, cancel_);
    if (!vectors.ok()) return vectors.status();
    for (size_t i = 0; i < batch.texts.size(); ++i) {
      if ((*vectors)[i].empty()) continue;
      PointInput& point = batch.write.upserts[batch.embedded[i]];
      point.vectors.emplace_back(field_, std::move((*vectors)[i]));
    }
  }
  if (choice->uncommitted) {
    if (absl::Status status = model_.AddModel(at_, &batch.write); !status.ok()) return status;
  }
  if (absl::Status status = Write(std::move(batch.write), &done); !status.ok()) return status;
  step_.rows += rows.size();
  return absl::OkStatus();
}

absl::Status CollectionCopy::CopyRows(const CollectionState& state, const Retired& retired,
                                      CopyProgress* done) {
  while (done->next_row < state.rows) {
    const uint64_t end = std::min(done->next_row + kRowsARead, state.rows);
    std::vector<RowRecord> rows;
    const absl::Status status = source_.store().ScanRows(
        source_.id(), {RowId(done->next_row), RowId(end)}, /*with_vectors=*/true,
        [&](RowRecord&& row) {
          if (!retired.rows.contains(row.row.value)) rows.push_back(std::move(row));
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
    for (size_t begin = 0; begin < rows.size();) {
      size_t bytes = BytesOf(rows[begin]);
      size_t last = begin + 1;
      while (last < rows.size() && bytes + BytesOf(rows[last]) <= kMaxBatchBytes) {
        bytes += BytesOf(rows[last++]);
      }
      done->next_row = last == rows.size() ? end : rows[last].row.value;
      absl::Status written = WriteRows(std::span(rows).subspan(begin, last - begin), *done);
      if (!written.ok()) return written;
      begin = last;
    }
    done->next_row = end;
    step_.fraction = static_cast<double>(end) / static_cast<double>(state.rows);
    if (progress_) progress_(step_);
  }
  return absl::OkStatus();
}

absl::Status CollectionCopy::DeleteGone(const CollectionState& state, const Retired& retired) {
  const Store& store = source_.store();
  WriteRequest write;
  absl::flat_hash_set<std::string> gone;  // encoded ids: several rows of a point may be retired
  for (size_t begin = 0; begin < retired.since.size(); begin += kRowsARead) {
    if (absl::Status status = cancel_.Check(); !status.ok()) return status;
    const auto some = std::span(retired.since)
                          .subspan(begin, std::min(kRowsARead, retired.since.size() - begin));
    absl::StatusOr<std::vector<RowRecord>> rows =
        store.ReadRows(source_.id(), some, /*with_vectors=*/false);
    if (!rows.ok()) return rows.status();
    for (RowRecord& row : *rows) {
      // One that was replaced is among the rows that came since.
      const auto live = store.FindPoint(source_.id(), row.id, state.latest);
      if (!live.ok()) return live.status();
      if (!live->has_value() && gone.insert(row.id.Encode()).second) write.deletes.push_back(std::move(row.id));
    }
    if (write.deletes.size() < kDeletesACommit) continue;
    if (absl::Status status = Write(std::exchange(write, {}), nullptr); !status.ok()) return status;
  }
  return write.deletes.empty() ? absl::OkStatus() : Write(std::move(write), nullptr);
}

absl::Status CollectionCopy::CopyDocuments(const CopyProgress& done) {
  const Store& store = source_.store();
  WriteRequest write;
  const auto add = [&](std::string_view key, std::optional<std::string> value) {
    write.documents.push_back({.key = std::string(key), .value = std::move(value)});
    if (write.documents.size() < kDocumentsACommit) return absl::OkStatus();
    return Write(std::exchange(write, {}), nullptr);
  };
  absl::Status status = store.ScanDocuments(
      source_.id(), kDocumentKeyPrefix,
      [&](std::string_view key, std::string_view value) -> absl::Status {
        absl::StatusOr<DocumentEntry> entry = DocumentEntry::Decode(value);
        if (!entry.ok()) return entry.status();
        entry->embedder = model_.entry_name();
        std::string wanted = entry->Encode();
        const auto there = store.GetDocument(target_.id(), key);
        if (!there.ok()) return there.status();
        if (there->has_value() && **there == wanted) return absl::OkStatus();
        for (const std::string& hash : {entry->hash, entry->rendition_hash}) {
          if (absl::Status copied = CopyArtifact(hash); !copied.ok()) return copied;
        }
        return add(key, std::move(wanted));
      });
  if (!status.ok()) return status;
  status = store.ScanDocuments(target_.id(), kDocumentKeyPrefix,
                               [&](std::string_view key, std::string_view) -> absl::Status {
                                 const auto there = store.GetDocument(source_.id(), key);
                                 if (!there.ok()) return there.status();
                                 return there->has_value() ? absl::OkStatus() : add(key, std::nullopt);
                               });
  return status.ok() ? Write(std::move(write), &done) : status;
}

absl::StatusOr<Version> CollectionCopy::CatchUp() {
  const absl::StatusOr<CollectionState> state = source_.store().GetState(source_.id());
  if (!state.ok()) return state.status();
  absl::StatusOr<CopyProgress> done = ReadProgress(target_, source_.info().name);
  if (!done.ok()) return done.status();
  if (done->synced == state->latest && done->next_row == state->rows) return state->latest;
  const absl::StatusOr<Retired> retired = ReadRetired(*state, *done);
  if (!retired.ok()) return retired.status();
  absl::Status status = TrainModel(*state, *retired);
  if (status.ok()) status = DeleteGone(*state, *retired);
  if (status.ok()) status = CopyRows(*state, *retired, &*done);
  if (!status.ok()) return status;
  done->synced = state->latest;
  if (status = CopyDocuments(*done); !status.ok()) return status;
  return state->latest;
}

}  // namespace vouch
