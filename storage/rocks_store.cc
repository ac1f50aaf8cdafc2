#include "storage/rocks_store.h"

#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>

#include "storage/checksum.h"
#include "storage/commit_codec.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/prepared_commit.h"

namespace vouch {

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  if (options.path.empty()) return absl::InvalidArgumentError("the store's path is empty");
  RocksOptions rocks_options;
  rocks_options.path = options.path;
  rocks_options.create_if_missing = options.create_if_missing;
  rocks_options.block_cache_bytes = options.block_cache_bytes;
  rocks_options.write_buffer_bytes = options.write_buffer_bytes;
  rocks_options.env = static_cast<rocksdb::Env*>(options.rocksdb_env);
  absl::StatusOr<std::unique_ptr<Rocks>> rocks = Rocks::Open(rocks_options);
  if (!rocks.ok()) return rocks.status();
  auto store = std::make_unique<RocksStore>(options.path, *std::move(rocks));
  if (auto s = store->Load(); !s.ok()) return s;
  return store;
}

RocksStore::RocksStore(std::string path, std::unique_ptr<Rocks> rocks)
    : path_(std::move(path)),
      rocks_(std::move(rocks)),
      log_(*rocks_, directory_),
      catalog_(*rocks_, directory_, log_),
      commits_(*rocks_),
      rows_(*rocks_),
      answers_(*rocks_),
      evaluations_(*rocks_),
      audit_(*rocks_) {}

absl::StatusOr<RocksStore::Place> RocksStore::Find(CollectionId collection) const {
  auto entry = directory_.Find(collection);
  if (!entry.ok()) return entry.status();
  absl::StatusOr<CollectionTip> tip = directory_.Tip(collection);
  if (!tip.ok()) return tip.status();
  return Place{*std::move(entry), tip->state};
}

absl::StatusOr<CollectionState> RocksStore::GetState(CollectionId collection) const {
  absl::StatusOr<CollectionTip> tip = directory_.Tip(collection);
  if (!tip.ok()) return tip.status();
  return tip->state;
}

absl::StatusOr<CommitHeader> RocksStore::GetCommit(CollectionId collection, Version version) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return commits_.Get(*place->entry, place->state.latest, version);
}

absl::StatusOr<std::vector<CommitHeader>> RocksStore::ListCommits(CollectionId collection,
                                                                  Version first, Version last,
                                                                  size_t limit) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return commits_.List(*place->entry, place->state.latest, first, last, limit);
}

absl::StatusOr<Version> RocksStore::FindVersionAt(CollectionId collection, int64_t time_us) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return commits_.FindVersionAt(*place->entry, place->state.latest, time_us);
}

absl::StatusOr<std::optional<CommitHeader>> RocksStore::FindRequest(
    CollectionId collection, std::string_view request_id) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return commits_.FindRequest(*place->entry, place->state.latest, request_id);
}

absl::StatusOr<CommitHeader> RocksStore::FindCommitOfRow(CollectionId collection, RowId row) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return commits_.FindCommitOfRow(*place->entry, place->state.latest, row);
}

absl::StatusOr<RowRecord> RocksStore::ReadRow(CollectionId collection, RowId row,
                                              bool with_vectors) const {
  absl::StatusOr<std::vector<RowRecord>> rows =
      ReadRows(collection, std::span<const RowId>(&row, 1), with_vectors);
  if (!rows.ok()) return rows.status();
  return std::move(rows->front());
}

absl::StatusOr<std::vector<RowRecord>> RocksStore::ReadRows(CollectionId collection,
                                                            std::span<const RowId> rows,
                                                            bool with_vectors) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return rows_.ReadRows(*place->entry, place->state.rows, rows, with_vectors);
}

absl::Status RocksStore::ScanRows(
    CollectionId collection, RowRange range, bool with_vectors,
    const std::function<absl::Status(RowRecord&&)>& visit) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return rows_.ScanRows(*place->entry, place->state.rows, range, with_vectors, visit);
}

absl::StatusOr<std::optional<RowId>> RocksStore::FindPoint(CollectionId collection,
                                                           const PointId& id, Version at) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  if (at == Version(0)) return std::nullopt;
  RowId rows_end(place->state.rows);
  if (at != place->state.latest) {
    absl::StatusOr<CommitHeader> header = commits_.Get(*place->entry, place->state.latest, at);
    if (!header.ok()) return header.status();
    rows_end = header->rows_end();
  }
  return rows_.FindPoint(*place->entry, id, at, rows_end);
}

absl::Status RocksStore::ScanRetired(CollectionId collection, RowRange range,
                                     const std::function<void(RowId, Version)>& visit) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return rows_.ScanRetired(*place->entry, range, visit);
}

absl::StatusOr<std::optional<std::string>> RocksStore::GetDocument(CollectionId collection,
                                                                   std::string_view key) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  return rocks_->Get(Family::kDocuments, NamedKey(place->entry->prefix, key));
}

absl::Status RocksStore::ScanDocuments(
    CollectionId collection, std::string_view prefix,
    const std::function<absl::Status(std::string_view key, std::string_view value)>& visit) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  const std::string begin = NamedKey(place->entry->prefix, prefix);
  absl::Status status;
  const absl::Status scanned = rocks_->Scan(
      Family::kDocuments, begin, PrefixEnd(begin),
      [&](std::string_view key, std::string_view value) {
        status = visit(key.substr(kCollectionPrefixBytes), value);
        return status.ok();
      });
  return status.ok() ? scanned : status;
}

absl::StatusOr<std::string> RocksStore::GetArtifact(CollectionId collection,
                                                    std::string_view hash) const {
  absl::StatusOr<Place> place = Find(collection);
  if (!place.ok()) return place.status();
  auto value = rocks_->Get(Family::kArtifacts, NamedKey(place->entry->prefix, hash));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    return absl::NotFoundError(
        Concat("no artifact has the hash \"", Escape(hash, 64), "\""));
  }
  return DecodeArtifact(hash, **value);
}

absl::Status RocksStore::PutArtifact(CollectionId collection, const Artifact& artifact) {
  if (auto s = CheckArtifact(artifact); !s.ok()) return s;
  const std::string value = EncodeArtifact(artifact.bytes);
  return log_.RunExclusive([&]() -> absl::Status {
    auto entry = directory_.Find(collection);
    if (!entry.ok()) return entry.status();
    rocksdb::WriteBatch batch;
    batch.Put(rocks_->handle(Family::kArtifacts), NamedKey((*entry)->prefix, artifact.hash), value);
    return rocks_->Write(batch);
  });
}

absl::Status RocksStore::PutAnswer(std::string_view tenant, std::string_view id,
                                   std::string_view record) {
  return PutAnswerLinked(tenant, id, record, "").status();
}

absl::StatusOr<std::string> RocksStore::GetAnswer(std::string_view tenant,
                                                  std::string_view id) const {
  const std::optional<TenantNumber> number = catalog_.FindTenant(tenant);
  // Number 0 is nobody's: the answer is "not found", in the same words.
  return answers_.Get(number.value_or(TenantNumber(0)), id);
}

absl::StatusOr<std::vector<std::string>> RocksStore::ListAnswers(std::string_view tenant,
                                                                 size_t limit) const {
  const std::optional<TenantNumber> number = catalog_.FindTenant(tenant);
  return answers_.List(number.value_or(TenantNumber(0)), limit);
}

absl::Status RocksStore::ScanAnswers(
    std::string_view tenant, const std::function<bool(std::string_view id, std::string_view record)>& visit) const {
  return answers_.Scan(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), visit);
}

AnswerRecords& AnswerRecords::Of(Store& store) {
  return static_cast<RocksStore&>(store);  // the only kind of store there is
}

absl::StatusOr<AnswerLink> RocksStore::PutAnswerLinked(std::string_view tenant, std::string_view id,
                                                       std::string_view record, std::string_view salt) {
  absl::StatusOr<TenantNumber> number = catalog_.FindOrAddTenant(tenant);
  if (!number.ok()) return number.status();
  return answers_.Put(*number, id, record, salt);
}

absl::StatusOr<std::optional<AnswerLink>> RocksStore::GetAnswerLink(std::string_view tenant,
                                                                    std::string_view id) const {
  return answers_.GetLink(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), id);
}

absl::StatusOr<uint32_t> RocksStore::EraseAnswerTexts(std::string_view tenant, std::string_view id,
                                                      const std::set<std::string>& paths) {
  return answers_.EraseTexts(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), id, paths);
}

absl::StatusOr<AnswerChainReport> RocksStore::VerifyAnswerChain(
    std::string_view tenant, const std::function<absl::Status(uint64_t done, uint64_t all)>& progress) const {
  return WalkAnswerChain(*rocks_, catalog_.FindTenant(tenant).value_or(TenantNumber(0)), progress);
}

absl::StatusOr<Digest> RocksStore::GetAnswerLinkHash(std::string_view tenant, uint64_t number) const {
  return answers_.GetLinkHash(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), number);
}

absl::Status RocksStore::ScanAnswerLinks(std::string_view tenant, uint64_t first,
                                         const std::function<bool(AnswerProof&&)>& visit) const {
  return answers_.ScanLinks(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), first, visit);
}

EvaluationRecords& EvaluationRecords::Of(Store& store) {
  return static_cast<RocksStore&>(store);  // the only kind of store there is
}

absl::Status RocksStore::PutEvaluationRecords(std::string_view tenant,
                                              std::span<const NamedRecord> records, bool only_new) {
  absl::StatusOr<TenantNumber> number = catalog_.FindOrAddTenant(tenant);
  if (!number.ok()) return number.status();
  return evaluations_.Put(*number, records, only_new);
}

absl::StatusOr<std::optional<std::string>> RocksStore::GetEvaluationRecord(
    std::string_view tenant, std::string_view name) const {
  return evaluations_.Get(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), name);
}

absl::Status RocksStore::ScanEvaluationRecords(
    std::string_view tenant, std::string_view prefix,
    const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const {
  return evaluations_.Scan(catalog_.FindTenant(tenant).value_or(TenantNumber(0)), prefix, visit);
}

}  // namespace vouch
