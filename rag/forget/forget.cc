#include "rag/forget/forget.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "query/reread_rows.h"
#include "rag/drift/drift_reference.h"
#include "rag/eval/dataset_store.h"
#include "rag/forget/forget_answers.h"
#include "rag/ingest/document_entry.h"
#include "rag/provenance.h"
#include "storage/concat.h"
#include "storage/erasure.h"
#include "storage/evaluation_records.h"
#include "storage/store.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

constexpr size_t kDeletesOfACommit = 10'000;

absl::Status Validate(const ForgetRequest& request) {
  if (request.document.empty()) return absl::InvalidArgumentError("the document's id is empty");
  if (request.reason.size() > ForgetRequest::kMaxReasonBytes) {
    return absl::InvalidArgumentError(Concat("the reason has ", request.reason.size(), " bytes; the limit is ",
                                             ForgetRequest::kMaxReasonBytes));
  }
  for (const std::string* text : {&request.document, &request.reason}) {
    if (!IsValidUtf8(*text)) return absl::InvalidArgumentError("the document's id or the reason is not UTF-8");
  }
  return absl::OkStatus();
}

// A row of the document, whatever version.
struct FoundRow {
  RowId row = {};
  PointId id = {};
  std::string provenance = {};  // as it stands in its place afterwards
  bool erased = false;
};

// What stays of a provenance: who and where, nothing of the text's form.
std::string BareProvenance(Provenance provenance) {
  provenance.source = {};
  provenance.spans = SpanMap();
  provenance.blocks.reset();
  provenance.places.clear();
  return EncodeProvenance(provenance);
}

class Forgetting {
 public:
  Forgetting(Database& database, Collection& collection, const ForgetRequest& request)
      : database_(database), store_(database.store()), collection_(collection), request_(request) {}

  absl::StatusOr<ForgetReport> Run() {
    if (absl::Status status = FindRows(); !status.ok()) return status;
    if (absl::Status status = FindSources(); !status.ok()) return status;
    if (absl::Status status = ReadRecord(); !status.ok()) return status;
    ForgottenTexts texts;
    if (request_.dry_run) {
      absl::Status status = ForgetInAnswers(store_, request_.principal.tenant, collection_.info().name,
                                            request_.document, /*change=*/false, request_.cancel, &texts);
      if (!status.ok()) return status;
      Count(texts);
      if (status = ForgetReferenceRows(/*change=*/false); !status.ok()) return status;
      return Report();
    }
    for (const auto& [name, step] :
         {std::pair{"retire", &Forgetting::Retire}, std::pair{"rows", &Forgetting::EraseRows},
          std::pair{"sources", &Forgetting::EraseSources}, std::pair{"index", &Forgetting::RereadIndex},
          std::pair{"answers", &Forgetting::EraseAnswers},
          std::pair{"references", &Forgetting::EraseReferences}, std::pair{"compact", &Forgetting::Compact},
          std::pair{"finish", &Forgetting::Finish}}) {
      if (request_.at_step) {
        if (absl::Status status = request_.at_step(name); !status.ok()) return status;
      }
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    return Report();
  }

 private:
  absl::Status FindRows() {
    const absl::StatusOr<CollectionState> state = store_.GetState(collection_.id());
    if (!state.ok()) return state.status();
    all_ = {RowId(0), RowId(state->rows)};
    return store_.ScanRows(collection_.id(), all_, /*with_vectors=*/false, [&](RowRecord&& row) -> absl::Status {
      if (row.row.value % 4096 == 0) {
        if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      }
      FoundRow found{.row = row.row, .id = row.id};
      found.erased = row.payload == kErasedPayload;
      absl::StatusOr<Provenance> provenance = DecodeProvenance(row.provenance);
      if (provenance.ok()) {
        if (provenance->document != request_.document) return absl::OkStatus();
        hashes_.insert(provenance->source_hash);
        if (!provenance->rendition_hash.empty()) hashes_.insert(provenance->rendition_hash);
        found.provenance = BareProvenance(*std::move(provenance));
      } else if (row.id.ToString() != request_.document) {
        return absl::OkStatus();
      }
      rows_.push_back(std::move(found));
      return absl::OkStatus();
    });
  }

  // The sources that no other document has, too.
  absl::Status FindSources() {
    const auto entry = store_.GetDocument(collection_.id(), DocumentKey(request_.document));
    if (!entry.ok()) return entry.status();
    has_entry_ = entry->has_value();
    if (has_entry_) {
      if (const absl::StatusOr<DocumentEntry> decoded = DocumentEntry::Decode(**entry); decoded.ok()) {
        hashes_.insert(decoded->hash);
        if (!decoded->rendition_hash.empty()) hashes_.insert(decoded->rendition_hash);
      }
    }
    if (hashes_.empty()) return absl::OkStatus();
    std::set<std::string> others;
    const absl::Status scanned =
        store_.ScanRows(collection_.id(), all_, /*with_vectors=*/false, [&](RowRecord&& row) -> absl::Status {
          const auto named = [&](const std::string& hash) { return row.provenance.find(hash) != std::string::npos; };
          if (row.payload == kErasedPayload || std::none_of(hashes_.begin(), hashes_.end(), named)) return absl::OkStatus();
          const absl::StatusOr<Provenance> provenance = DecodeProvenance(row.provenance);
          if (!provenance.ok() || provenance->document == request_.document) return absl::OkStatus();
          others.insert(provenance->source_hash);
          others.insert(provenance->rendition_hash);
          return absl::OkStatus();
        });
    for (const std::string& hash : hashes_) {
      (others.contains(hash) ? kept_ : sources_).push_back(hash);
    }
    return scanned;
  }

  absl::Status ReadRecord() {
    const auto stored = store_.GetDocument(collection_.id(), ForgottenKey(request_.document));
    if (!stored.ok()) return stored.status();
    if (stored->has_value()) {
      absl::StatusOr<ForgetRecord> record = DecodeForgetRecord(**stored);
      if (!record.ok()) return record.status();
      // Where nothing of it came back since, the entry stays what it was.
      const bool gone = !has_entry_ && std::all_of(rows_.begin(), rows_.end(), [](const FoundRow& row) { return row.erased; });
      if (record->finished_us == 0 || gone) record_ = *std::move(record);
    }
    const bool anything = !rows_.empty() || has_entry_ || stored->has_value();
    if (!anything) {
      return absl::NotFoundError(Concat("collection '", collection_.info().name, "' has no document '",
                                        Escape(request_.document, 200),
                                        "' and never had; documents are named by their id, as `vouch query` shows it"));
    }
    if (record_.started_us != 0) return absl::OkStatus();  // begun earlier
    record_.document = request_.document;
    record_.reason = request_.reason;
    record_.subject = request_.principal.subject;
    record_.started_us = database_.clock().NowMicros();
    record_.sources = sources_;
    record_.kept_sources = kept_;
    record_.rows = static_cast<uint64_t>(
        std::count_if(rows_.begin(), rows_.end(), [](const FoundRow& row) { return !row.erased; }));
    return CountLive();
  }

  absl::Status CountLive() {
    for (const PointId& id : Points()) {
      const auto row = store_.FindPoint(collection_.id(), id, collection_.Stats().version);
      if (!row.ok()) return row.status();
      record_.points += row->has_value() ? 1 : 0;
    }
    return absl::OkStatus();
  }

  std::vector<PointId> Points() const {
    std::vector<PointId> points;
    std::set<std::string> seen;
    for (const FoundRow& row : rows_) {
      if (seen.insert(row.id.Encode()).second) points.push_back(row.id);
    }
    return points;
  }

  // The entry that says what goes on is written with the first retirement, so that from here on it can be resumed.
  absl::Status Retire() {
    const std::vector<PointId> points = Points();
    for (size_t from = 0; from == 0 || from < points.size(); from += kDeletesOfACommit) {
      WriteRequest write;
      write.principal = request_.principal;
      const size_t end = std::min(points.size(), from + kDeletesOfACommit);
      write.deletes.assign(points.begin() + static_cast<ptrdiff_t>(from), points.begin() + static_cast<ptrdiff_t>(end));
      if (record_.version == 0) record_.version = collection_.Stats().version.value + 1;
      if (from == 0) {
        write.documents.push_back({.key = ForgottenKey(request_.document), .value = EncodeForgetRecord(record_)});
        write.documents.push_back({.key = DocumentKey(request_.document), .value = std::nullopt});
      }
      const absl::StatusOr<WriteResult> written = collection_.Write(std::move(write));
      if (!written.ok()) return written.status();
    }
    return absl::OkStatus();
  }

  absl::Status EraseRows() {
    std::vector<RowErasure> batch;
    const auto flush = [&]() -> absl::Status {
      if (batch.empty()) return absl::OkStatus();
      absl::Status status = Erasure::Of(store_).EraseRows(collection_.id(), batch);
      batch.clear();
      return status;
    };
    for (const FoundRow& row : rows_) {
      if (row.erased) continue;
      batch.push_back({.row = row.row, .payload = std::string(kErasedPayload), .provenance = row.provenance});
      if (batch.size() < Erasure::kMaxRows) continue;
      if (absl::Status status = flush(); !status.ok()) return status;
    }
    return flush();
  }

  absl::Status EraseSources() {
    for (const std::string& hash : sources_) {
      if (absl::Status status = Erasure::Of(store_).EraseArtifact(collection_.id(), hash); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // All rows, those erased earlier, too: that they were may have been before the index was told.
  absl::Status RereadIndex() {
    std::vector<RowId> rows;
    for (const FoundRow& row : rows_) rows.push_back(row.row);
    return RereadRows(collection_, rows, request_.cancel);
  }

  absl::Status EraseAnswers() {
    ForgottenTexts texts;
    absl::Status status = ForgetInAnswers(store_, request_.principal.tenant, collection_.info().name, request_.document,
                                          /*change=*/true, request_.cancel, &texts);
    if (status.ok()) Count(texts);
    return status;
  }

  void Count(const ForgottenTexts& texts) {
    // What an earlier run erased is not found again.
    record_.answers = std::max(record_.answers, texts.answers);
    record_.texts = std::max(record_.texts, texts.texts);
    record_.results = std::max(record_.results, texts.results);
  }

  absl::Status EraseReferences() { return ForgetReferenceRows(/*change=*/true); }

  // After the rows: what makes a reference looks at them once more when it has kept it.
  absl::Status ForgetReferenceRows(bool change) {
    ForgottenRows forgotten{.collection = collection_.info().name, .document = request_.document};
    for (const FoundRow& row : rows_) forgotten.rows.insert(row.row.value);
    const absl::StatusOr<uint64_t> gone = ForgetInReferences(
        EvaluationRecords::Of(store_), request_.principal.tenant, forgotten, change);
    if (!gone.ok()) return gone.status();
    record_.reference_rows = std::max(record_.reference_rows, *gone);
    return absl::OkStatus();
  }

  absl::Status Compact() {
    if (!request_.compact) return absl::OkStatus();
    absl::Status status = Erasure::Of(store_).CompactErased();
    record_.compacted = status.ok();
    return status;
  }

  absl::Status Finish() {
    record_.finished_us = database_.clock().NowMicros();
    WriteRequest write;
    write.principal = request_.principal;
    write.documents.push_back({.key = ForgottenKey(request_.document), .value = EncodeForgetRecord(record_)});
    return collection_.Write(std::move(write)).status();
  }

  absl::StatusOr<ForgetReport> Report() {
    ForgetReport report{.record = record_, .remains = {}};
    if (!request_.dry_run && !record_.compacted) {
      report.remains.push_back(
          "the store's files may hold erased bytes until they are compacted: `vouch forget` again with --compact");
    }
    report.remains.push_back("backups from before hold it as it was");
    for (const std::string& hash : record_.kept_sources) {
      report.remains.push_back(Concat("the bytes ", hash, " stay: another document has the same"));
    }
    for (const DenseField& field : collection_.schema().dense) {
      if (!field.embedder.starts_with("builtin/lsa")) continue;
      report.remains.push_back(Concat("the embedder of field '", field.name,
                                      "' may know words of it until it is trained anew (`vouch ingest --retrain`)"));
    }
    // A version of a dataset never changes, and its reference answers may be what somebody said instead of an answer.
    const auto datasets = DatasetStore(EvaluationRecords::Of(store_), request_.principal.tenant).List();
    if (!datasets.ok()) return datasets.status();
    for (const DatasetInfo& info : *datasets) {
      if (std::find(info.tags.begin(), info.tags.end(), "corrected") == info.tags.end()) continue;
      report.remains.push_back(Concat("dataset ", info.name, "@", info.version, " has corrections of answers, which may repeat it"));
    }
    const absl::StatusOr<std::vector<CollectionInfo>> infos = database_.ListCollections(request_.principal);
    if (!infos.ok()) return infos.status();
    for (const CollectionInfo& info : *infos) {
      if (info.id == collection_.id()) continue;
      const auto entry = store_.GetDocument(info.id, DocumentKey(request_.document));
      if (entry.ok() && entry->has_value()) {
        report.remains.push_back(Concat("collection '", info.name, "' has a document of the same id"));
      }
    }
    return report;
  }

  Database& database_;
  Store& store_;
  Collection& collection_;
  const ForgetRequest& request_;
  RowRange all_ = {};
  std::vector<FoundRow> rows_;
  std::set<std::string> hashes_;      // of its bytes and texts, in all versions
  std::vector<std::string> sources_;  // of these, what only it has
  std::vector<std::string> kept_;
  bool has_entry_ = false;
  ForgetRecord record_;
};

}  // namespace

absl::StatusOr<ForgetReport> Forget(Database& database, const ForgetRequest& request) {
  if (absl::Status status = Validate(request); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<Collection>> collection =
      database.GetCollection(request.principal, request.collection);
  if (!collection.ok()) return collection.status();
  return Forgetting(database, **collection, request).Run();
}

absl::Status ResumeForgetting(Database& database) {
  const absl::StatusOr<std::vector<CollectionInfo>> infos = database.store().catalog().ListAllCollections();
  if (!infos.ok()) return infos.status();
  absl::Status first;
  for (const CollectionInfo& info : *infos) {
    std::vector<ForgetRequest> begun;
    absl::Status status = database.store().ScanDocuments(
        info.id, kForgottenPrefix, [&](std::string_view, std::string_view value) -> absl::Status {
          const absl::StatusOr<ForgetRecord> record = DecodeForgetRecord(value);
          if (!record.ok()) return record.status();
          if (record->finished_us != 0) return absl::OkStatus();
          ForgetRequest request{.collection = info.name, .document = record->document, .reason = record->reason};
          request.principal.tenant = info.tenant;
          request.principal.subject = record->subject;
          begun.push_back(std::move(request));
          return absl::OkStatus();
        });
    for (const ForgetRequest& request : begun) {
      if (absl::Status ended = Forget(database, request).status(); !ended.ok()) status = ended;
    }
    if (first.ok()) first = status;
  }
  return first;
}

absl::StatusOr<std::vector<ForgetRecord>> ListForgotten(Database& database, const Principal& principal,
                                                        std::string_view collection) {
  absl::StatusOr<std::shared_ptr<Collection>> found = database.GetCollection(principal, collection);
  if (!found.ok()) return found.status();
  std::vector<ForgetRecord> records;
  const absl::Status status = database.store().ScanDocuments(
      (*found)->id(), kForgottenPrefix, [&](std::string_view, std::string_view value) -> absl::Status {
        absl::StatusOr<ForgetRecord> record = DecodeForgetRecord(value);
        if (!record.ok()) return record.status();
        records.push_back(*std::move(record));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return records;
}

}  // namespace vouch
