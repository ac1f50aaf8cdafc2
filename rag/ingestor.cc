#include "rag/ingestor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "rag/ingest/chunk_point.h"
#include "rag/ingest/document_entry.h"
#include "rag/ingest/document_writer.h"
#include "rag/ingest/ingest_schema.h"
#include "rag/ingest/language.h"
#include "rag/ingest/model_keeper.h"
#include "rag/ingest/reembed.h"
#include "rag/parse/parser.h"
#include "rag/parse/utf8.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr char kDefaultEmbedder[] = "builtin/lsa";
constexpr size_t kMaxReportedSkips = 1'000;
constexpr size_t kMaxDocumentIdBytes = 1'024;
// Held until a model can be trained on them.
constexpr size_t kMaxHeldChunks = 20'000;
constexpr size_t kMaxHeldBytes = size_t{256} << 20;
// A commit's source bytes, so that a batch of few long chunks stays far from Limits::kMaxCommitBytes.
constexpr size_t kMaxBatchBytes = size_t{32} << 20;
constexpr size_t kMaxBatchDocuments = 1'000;
// A model is trained anew by itself only for collections that one commit takes with room to spare, and only while it knows
// few texts: later ones change it little.
constexpr uint64_t kMaxRetrainRows = 50'000;
constexpr uint64_t kEnoughTrainingTexts = 10'000;
constexpr uint64_t kProgressDocuments = 32;

std::string MetadataHash(const Document& document, const nlohmann::json& metadata) {
  return ContentHash(absl::StrCat(metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), "\n",
                                  document.external_id, "\n", document.uri));
}

// What the source says of itself, below what its caller says of it.
std::string MergeMetadata(const std::string& own, const std::string& given) {
  if (own == "{}") return given;
  nlohmann::json merged = nlohmann::json::parse(own, nullptr, /*allow_exceptions=*/false);
  const nlohmann::json over = nlohmann::json::parse(given, nullptr, /*allow_exceptions=*/false);
  if (!merged.is_object() || !over.is_object()) return given;
  merged.update(over);
  return merged.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class IngestorImpl final : public Ingestor {
 public:
  IngestorImpl(Database& database, EmbedderRegistry& embedders, IngestOptions options, CancelToken cancel,
               std::function<void(const IngestProgress&)> progress)
      : database_(database),
        embedders_(embedders),
        options_(std::move(options)),
        cancel_(std::move(cancel)),
        progress_(std::move(progress)),
        chunker_(options_.chunking) {}

  absl::Status Init();
  absl::StatusOr<std::string> KnownHash(const std::string& document_id) const override;
  absl::Status Add(Document document) override;
  absl::Status AddUnchanged(const std::string& document_id) override;
  void AddSkipped(const std::string& document_id, const absl::Status& reason) override;
  absl::StatusOr<IngestReport> Finish() override;

 private:
  absl::Status Attach(std::shared_ptr<Collection> collection);
  absl::Status EnsureCollection();
  // Of a collection that is made.
  std::string NewEmbedder() const {
    return options_.embedder.empty() ? kDefaultEmbedder : options_.embedder;
  }
  // A document that cannot be taken: skipped, or the end of the run.
  absl::Status Refuse(const std::string& document_id, const absl::Status& reason);
  absl::StatusOr<bool> IsThere(const Document& document, const DocumentEntry& entry);
  absl::StatusOr<PendingDocument> Prepare(Document document, DocumentEntry entry) const;
  absl::Status Flush(bool all);
  absl::Status TrainOnPending();
  absl::Status CommitPending();
  absl::Status CommitBatch(std::span<PendingDocument> batch);
  absl::Status DeleteGone();
  absl::Status RetrainIfDue();
  absl::Status FinishSteps();
  bool IsProtected(const std::string& document_id) const;
  void Progress(const char* phase, double fraction = -1);
  // Ends the run: later calls give the same error.
  absl::Status Fail(absl::Status status) {
    if (!status.ok()) failed_ = status;
    return status;
  }

  Database& database_;
  EmbedderRegistry& embedders_;
  const IngestOptions options_;
  const CancelToken cancel_;
  const std::function<void(const IngestProgress&)> progress_;
  const Chunker chunker_;

  std::shared_ptr<Collection> collection_;  // null until it is made
  std::optional<ModelKeeper> model_;
  std::unique_ptr<DocumentWriter> writer_;
  std::vector<PendingDocument> pending_;
  size_t pending_chunks_ = 0;
  size_t pending_bytes_ = 0;
  absl::flat_hash_set<std::string> seen_;
  absl::flat_hash_set<std::string> skipped_;
  uint64_t documents_ = 0;
  uint64_t chunks_ = 0;
  IngestReport report_;
  absl::Status failed_;
  bool finished_ = false;
};

absl::Status IngestorImpl::Init() {
  if (options_.batch_chunks == 0) return absl::InvalidArgumentError("batch_chunks is 0; it takes 1 or more");
  if (absl::Status status = ValidateChunkOptions(options_.chunking); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<Collection>> found =
      database_.GetCollection(options_.principal, options_.collection);
  if (found.ok()) return Attach(*std::move(found));
  if (!absl::IsNotFound(found.status()) || !options_.create_collection) return found.status();
  absl::StatusOr<EmbedderRegistry::SpecInfo> spec = EmbedderRegistry::ParseSpec(NewEmbedder());
  if (!spec.ok()) return spec.status();
  if (options_.retrain && !spec->trained) {
    return absl::InvalidArgumentError(
        absl::StrCat("embedder ", NewEmbedder(), " is not trained; retrain is for builtin/lsa"));
  }
  return absl::OkStatus();
}

absl::Status IngestorImpl::Attach(std::shared_ptr<Collection> collection) {
  absl::StatusOr<IngestFields> fields = FindIngestFields(collection->schema(), options_.collection);
  if (!fields.ok()) return fields.status();
  const std::string embedder =
      fields->dense < 0 ? "" : collection->schema().dense[fields->dense].embedder;
  if (!options_.embedder.empty() && !EmbedderRegistry::SameSpec(options_.embedder, embedder)) {
    return absl::FailedPreconditionError(
        absl::StrCat("embedder ", options_.embedder, " was asked for; collection '",
                     options_.collection, "' has ", embedder.empty() ? "none" : embedder,
                     ", which stays as it is: leave the embedder out, or make another collection"));
  }
  absl::StatusOr<ModelKeeper> model = ModelKeeper::Create(*collection, embedders_, fields->dense);
  if (!model.ok()) return model.status();
  if (options_.retrain && !model->trained()) {
    return absl::InvalidArgumentError(
        absl::StrCat("collection '", options_.collection, "' has no trained embedder; retrain is for builtin/lsa"));
  }
  collection_ = std::move(collection);
  model_.emplace(*std::move(model));
  writer_ = std::make_unique<DocumentWriter>(*collection_, *model_, options_.principal, cancel_);
  return absl::OkStatus();
}

absl::Status IngestorImpl::EnsureCollection() {
  if (collection_ != nullptr) return absl::OkStatus();
  std::vector<std::string> metadata;
  for (const PendingDocument& document : pending_) metadata.push_back(document.metadata);
  absl::StatusOr<CollectionSchema> schema = DefaultIngestSchema(NewEmbedder(), metadata);
  if (!schema.ok()) return schema.status();
  auto made = database_.CreateCollection(options_.principal, options_.collection, *schema);
  // Another run may have been faster.
  if (absl::IsAlreadyExists(made.status())) made = database_.GetCollection(options_.principal, options_.collection);
  if (!made.ok()) return made.status();
  return Attach(*std::move(made));
}

void IngestorImpl::Progress(const char* phase, double fraction) {
  if (!progress_) return;
  progress_({.phase = phase, .documents = documents_, .chunks = chunks_, .bytes = report_.bytes, .fraction = fraction});
}

absl::StatusOr<std::string> IngestorImpl::KnownHash(const std::string& document_id) const {
  if (collection_ == nullptr) return std::string();
  absl::StatusOr<std::optional<DocumentEntry>> entry = writer_->FindEntry(document_id);
  if (!entry.ok()) return entry.status();
  // What would be parsed, cut or embedded in another way now must come again.
  if (!*entry || (*entry)->parser != ParserId((*entry)->media_type) || (*entry)->chunker != chunker_.id() ||
      (*entry)->embedder != model_->entry_name()) {
    return std::string();
  }
  return (*entry)->hash;
}

absl::Status IngestorImpl::Refuse(const std::string& document_id, const absl::Status& reason) {
  if (!options_.skip_bad) {
    return Fail(absl::Status(reason.code(), absl::StrCat("document '", document_id, "': ", reason.message())));
  }
  AddSkipped(document_id, reason);
  return absl::OkStatus();
}

void IngestorImpl::AddSkipped(const std::string& document_id, const absl::Status& reason) {
  skipped_.insert(document_id);
  ++report_.skipped_count;
  if (report_.skipped.size() < kMaxReportedSkips) {
    report_.skipped.push_back({.document = document_id, .reason = std::string(reason.message())});
  }
}

absl::Status IngestorImpl::AddUnchanged(const std::string& document_id) {
  if (!failed_.ok()) return failed_;
  absl::StatusOr<std::string> known = KnownHash(document_id);
  if (!known.ok()) return Fail(known.status());
  if (known->empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("document '", document_id, "' is not known, so that it cannot be unchanged"));
  }
  if (seen_.insert(document_id).second) ++report_.documents_unchanged;
  ++documents_;
  if (documents_ % kProgressDocuments == 0) Progress("reading");
  return absl::OkStatus();
}

absl::StatusOr<bool> IngestorImpl::IsThere(const Document& document, const DocumentEntry& entry) {
  if (collection_ == nullptr) return false;
  absl::StatusOr<std::optional<DocumentEntry>> old = writer_->FindEntry(document.id);
  if (!old.ok()) return old.status();
  return *old && (*old)->SameAs(entry);
}

absl::StatusOr<PendingDocument> IngestorImpl::Prepare(Document document, DocumentEntry entry) const {
  absl::StatusOr<ParsedDocument> parsed = ParseDocument(document, cancel_);
  if (!parsed.ok()) return parsed.status();
  document.metadata = MergeMetadata(parsed->metadata, document.metadata);
  const std::string language = DetectLanguage(parsed->text);
  const std::vector<Chunk> chunks = chunker_.Split(*parsed, document.media_type);
  const std::string title = TitleOf(document, *parsed);
  const bool record = document.media_type == MediaType::kJsonLines;
  PendingDocument pending;
  pending.id = document.id;
  if (parsed->rendered) {
    entry.rendition_hash = ContentHash(parsed->text);
    pending.rendition = Artifact{.hash = entry.rendition_hash, .bytes = std::move(parsed->text)};
  }
  for (const Chunk& chunk : chunks) {
    absl::StatusOr<std::string> payload = ChunkPayload(document, title, language, chunk);
    if (!payload.ok()) return payload.status();
    pending.payloads.push_back(*std::move(payload));
    pending.texts.push_back(TextToEmbed(title, chunk.heading, chunk.text, record));
    pending.provenance.push_back({.document = document.id,
                                  .uri = document.uri,
                                  .source_hash = entry.hash,
                                  .rendition_hash = entry.rendition_hash,
                                  .source = chunk.source,
                                  .spans = chunk.spans,
                                  .blocks = chunk.blocks,
                                  .places = chunk.places,
                                  .parent = chunk.parent,
                                  .parser = entry.parser,
                                  .chunker = entry.chunker,
                                  .embedder = ""});
  }
  entry.chunks = static_cast<uint32_t>(chunks.size());
  pending.source = {.hash = entry.hash, .bytes = std::move(document.bytes)};
  pending.metadata = std::move(document.metadata);
  pending.entry = std::move(entry);
  return pending;
}

absl::Status CheckDocumentId(const std::string& id) {
  if (id.empty() || id.size() > kMaxDocumentIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the document's id has ", id.size(), " bytes; it takes 1 to ", kMaxDocumentIdBytes));
  }
  if (const auto bad = FindInvalidUtf8(id)) {
    return absl::InvalidArgumentError(absl::StrCat("the document's id is not UTF-8 at byte ", *bad));
  }
  return absl::OkStatus();
}

absl::Status IngestorImpl::Add(Document document) {
  if (!failed_.ok()) return failed_;
  if (finished_) return absl::FailedPreconditionError("the run is finished");
  if (absl::Status status = cancel_.Check(); !status.ok()) return Fail(status);
  if (absl::Status status = CheckDocumentId(document.id); !status.ok()) return Refuse(document.id, status);
  const std::string id = document.id;
  if (!seen_.insert(id).second) {
    return Refuse(id, absl::AlreadyExistsError("a document of this id came before in this run"));
  }
  const nlohmann::json metadata = nlohmann::json::parse(document.metadata, nullptr, /*allow_exceptions=*/false);
  if (!metadata.is_object()) return Refuse(id, absl::InvalidArgumentError("the metadata is not a JSON object"));
  if (document.external_id.empty()) document.external_id = id;
  DocumentEntry entry{.hash = ContentHash(document.bytes),
                      .metadata_hash = MetadataHash(document, metadata),
                      .media_type = document.media_type,
                      .uri = document.uri,
                      .external_id = document.external_id,
                      .parser = std::string(ParserId(document.media_type)),
                      .chunker = chunker_.id(),
                      .embedder = model_ ? model_->entry_name() : "",
                      .rendition_hash = ""};
  ++documents_;
  if (documents_ % kProgressDocuments == 0) Progress("reading");
  absl::StatusOr<bool> there = IsThere(document, entry);
  if (!there.ok()) return Fail(there.status());
  if (*there) {
    ++report_.documents_unchanged;
    return absl::OkStatus();
  }
  report_.bytes += document.bytes.size();
  absl::StatusOr<PendingDocument> pending = Prepare(std::move(document), std::move(entry));
  // The end of the run's time is no fault of the document.
  if (absl::Status status = cancel_.Check(); !pending.ok() && !status.ok()) return Fail(status);
  if (!pending.ok()) return Refuse(id, pending.status());
  chunks_ += pending->chunks();
  pending_chunks_ += pending->chunks();
  pending_bytes_ += pending->source.bytes.size();
  pending_.push_back(*std::move(pending));
  return Fail(Flush(/*all=*/false));
}

absl::Status IngestorImpl::Flush(bool all) {
  const bool batch_full = pending_chunks_ >= options_.batch_chunks || pending_bytes_ >= kMaxBatchBytes ||
                          pending_.size() >= kMaxBatchDocuments;
  if (pending_.empty() || (!all && !batch_full)) return absl::OkStatus();
  const bool held_full = pending_chunks_ >= kMaxHeldChunks || pending_bytes_ >= kMaxHeldBytes;
  if (!all && !held_full && collection_ == nullptr) {
    // Before the collection is there, what must be trained is held, and so tells all metadata keys to its schema.
    absl::StatusOr<EmbedderRegistry::SpecInfo> spec = EmbedderRegistry::ParseSpec(NewEmbedder());
    if (!spec.ok()) return spec.status();
    if (spec->trained) return absl::OkStatus();
  }
  if (absl::Status status = EnsureCollection(); !status.ok()) return status;
  absl::StatusOr<CollectionState> state = collection_->store().GetState(collection_->id());
  if (!state.ok()) return state.status();
  absl::StatusOr<bool> untrained = model_->NeedsTraining(state->latest);
  if (!untrained.ok()) return untrained.status();
  if (*untrained) {
    if (!all && !held_full) return absl::OkStatus();
    if (absl::Status status = TrainOnPending(); !status.ok()) return status;
  }
  return CommitPending();
}

absl::Status IngestorImpl::TrainOnPending() {
  std::vector<std::string> texts;
  texts.reserve(pending_chunks_);
  for (const PendingDocument& document : pending_) {
    texts.insert(texts.end(), document.texts.begin(), document.texts.end());
  }
  return model_->Train(texts, cancel_, [this](double fraction) { Progress("training", fraction); });
}

absl::Status IngestorImpl::CommitPending() {
  const std::span<PendingDocument> all(pending_);
  size_t begin = 0;
  while (begin < all.size()) {
    size_t end = begin;
    size_t chunks = 0;
    size_t bytes = 0;
    do {
      chunks += all[end].chunks();
      bytes += all[end].source.bytes.size();
      ++end;
    } while (end < all.size() && end - begin < kMaxBatchDocuments && chunks < options_.batch_chunks &&
             bytes + all[end].source.bytes.size() <= kMaxBatchBytes);
    if (absl::Status status = CommitBatch(all.subspan(begin, end - begin)); !status.ok()) return status;
    // What is committed is needed no more.
    for (size_t i = begin; i < end; ++i) pending_[i] = PendingDocument();
    begin = end;
    Progress("embedding", static_cast<double>(end) / all.size());
  }
  pending_.clear();
  pending_chunks_ = 0;
  pending_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status IngestorImpl::CommitBatch(std::span<PendingDocument> batch) {
  absl::Status status = writer_->Write(batch, &report_);
  if (!absl::IsInvalidArgument(status)) return status;
  // One of them is bad: a payload of another type than its field's, or more than a commit takes.
  if (batch.size() == 1) return Refuse(batch.front().id, status);
  for (size_t i = 0; i < batch.size(); ++i) {
    status = writer_->Write(batch.subspan(i, 1), &report_);
    if (absl::IsInvalidArgument(status)) status = Refuse(batch[i].id, status);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Whether the document, or the file or folder it lies in, was skipped: it may be there still.
bool IngestorImpl::IsProtected(const std::string& document_id) const {
  if (skipped_.empty()) return false;
  if (skipped_.contains(document_id)) return true;
  for (size_t at = document_id.find_first_of("/#"); at != document_id.npos;
       at = document_id.find_first_of("/#", at + 1)) {
    if (skipped_.contains(document_id.substr(0, at))) return true;
  }
  return false;
}

absl::Status IngestorImpl::DeleteGone() {
  std::vector<std::string> gone;
  for (const std::string& scope : options_.scopes) {
    absl::Status status = collection_->store().ScanDocuments(
        collection_->id(), DocumentKey(scope), [&](std::string_view key, std::string_view) {
          std::string id(key.substr(kDocumentKeyPrefix.size()));
          if (InScope(id, scope) && !seen_.contains(id) && !IsProtected(id)) gone.push_back(std::move(id));
          return absl::OkStatus();
        });
    if (!status.ok()) return status;
  }
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  return gone.empty() ? absl::OkStatus() : writer_->Delete(gone, &report_);
}

absl::Status IngestorImpl::RetrainIfDue() {
  if (!model_->trained() || (!options_.retrain && report_.commits == 0)) return absl::OkStatus();
  absl::StatusOr<CollectionState> state = collection_->store().GetState(collection_->id());
  if (!state.ok()) return state.status();
  if (!options_.retrain) {
    absl::StatusOr<uint64_t> trained_on = model_->TrainingTexts(state->latest);
    if (!trained_on.ok()) return trained_on.status();
    if (*trained_on == 0 || *trained_on >= kEnoughTrainingTexts || state->live_rows > kMaxRetrainRows ||
        state->live_rows <= 2 * *trained_on) {
      return absl::OkStatus();
    }
  }
  absl::StatusOr<ReembedResult> result =
      Reembed(*collection_, *model_, options_.principal, cancel_,
              [this](double fraction) { Progress("training", fraction); });
  // More than one commit takes: a model that knows half of the texts still serves, unless a new one was asked for.
  if (!options_.retrain && absl::IsResourceExhausted(result.status())) return absl::OkStatus();
  if (!result.ok()) return result.status();
  if (result->committed) {
    ++report_.commits;
    report_.embedder = model_->fresh()->id();
  }
  return absl::OkStatus();
}

absl::Status IngestorImpl::FinishSteps() {
  if (absl::Status status = Flush(/*all=*/true); !status.ok()) return status;
  // Also where there was nothing to commit.
  if (absl::Status status = EnsureCollection(); !status.ok()) return status;
  if (absl::Status status = cancel_.Check(); !status.ok()) return status;
  if (absl::Status status = DeleteGone(); !status.ok()) return status;
  return RetrainIfDue();
}

absl::StatusOr<IngestReport> IngestorImpl::Finish() {
  if (!failed_.ok()) return failed_;
  if (finished_) return absl::FailedPreconditionError("the run is finished");
  if (absl::Status status = FinishSteps(); !status.ok()) return Fail(status);
  finished_ = true;
  absl::StatusOr<CollectionState> state = collection_->store().GetState(collection_->id());
  if (!state.ok()) return state.status();
  report_.version = state->latest;
  if (model_->embeds()) {
    absl::StatusOr<ModelKeeper::Choice> choice = model_->Choose(state->latest);
    if (!choice.ok()) return choice.status();
    if (choice->embedder != nullptr && !choice->uncommitted) report_.embedder = choice->embedder->id();
  }
  Progress("done", 1);
  return report_;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ingestor>> Ingestor::Begin(Database& database, EmbedderRegistry& embedders,
                                                          IngestOptions options, CancelToken cancel,
                                                          std::function<void(const IngestProgress&)> progress) {
  auto ingestor = std::make_unique<IngestorImpl>(database, embedders, std::move(options), std::move(cancel),
                                                 std::move(progress));
  if (absl::Status status = ingestor->Init(); !status.ok()) return status;
  return std::unique_ptr<Ingestor>(std::move(ingestor));
}

}  // namespace vouch
