// RocksCatalog's alterations of schemas.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "storage/commit_codec.h"
#include "storage/commit_table.h"
#include "storage/concat.h"
#include "storage/fence.h"
#include "storage/key_format.h"
#include "storage/local_commit_log.h"
#include "storage/prepared_commit.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"
#include "storage/row_codec.h"

namespace vouch {

absl::StatusOr<CollectionInfo> RocksCatalog::FindInfo(CollectionId collection) const {
  std::lock_guard lock(mu_);
  for (const auto& [name, info] : collections_) {
    if (info.id == collection) return info;
  }
  return absl::NotFoundError(Concat("no collection has the id ", collection.value));
}

absl::StatusOr<AlterResult> RocksCatalog::AlterCollection(
    const Alteration& alteration, const std::function<void(const CollectionInfo&)>& publish) {
  if (auto s = alteration.schema.Validate(); !s.ok()) return s;
  // Its request id and its actor are a commit's.
  CommitRequest head;
  head.collection = alteration.collection;
  head.request_id = alteration.request_id;
  head.actor = alteration.actor;
  auto entry = directory_.Find(alteration.collection);
  if (!entry.ok()) return entry.status();
  if (const auto prepared = PrepareCommit(head, **entry); !prepared.ok()) return prepared.status();
  absl::StatusOr<AlterResult> result = absl::InternalError("not run");
  const absl::Status status = log_.RunExclusive([&] {
    result = Alter(alteration, publish);
    return result.status();
  });
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<AlterResult> RocksCatalog::Alter(const Alteration& alteration,
                                                const std::function<void(const CollectionInfo&)>& publish) {
  absl::StatusOr<CollectionInfo> info = FindInfo(alteration.collection);
  if (!info.ok()) return info.status();
  auto entry = directory_.Find(alteration.collection);
  if (!entry.ok()) return entry.status();
  absl::StatusOr<CollectionTip> tip = directory_.Tip(alteration.collection);
  if (!tip.ok()) return tip.status();
  const std::string& prefix = (*entry)->prefix;
  if (!alteration.request_id.empty()) {
    const auto known = CommitTable(rocks_).FindRequest(**entry, tip->state.latest, alteration.request_id);
    if (!known.ok()) return known.status();
    if (known->has_value()) return AlterResult{.commit = {.header = **known, .replayed = true}, .info = *info};
  }
  if (alteration.schema_version != info->schema_version) {
    return absl::AbortedError(Concat("the schema of collection \"", info->name, "\" was altered meanwhile, by version ",
                                     info->schema_version.value));
  }
  const auto fence = rocks_.Get(Family::kDocuments, NamedKey(prefix, kFenceDocument));
  if (!fence.ok()) return fence.status();
  if (fence->has_value()) {
    return absl::FailedPreconditionError(Concat("the collection takes no writes: ", **fence));
  }
  CommitHeader header;
  header.version = Version(tip->state.latest.value + 1);
  header.time_us = std::max(alteration.time_us, tip->time_us);
  header.actor = Concat(alteration.actor.tenant, "/", alteration.actor.subject);
  header.request_id = alteration.request_id;
  header.first_row = RowId(tip->state.rows);
  header.live_rows = tip->state.live_rows;

  const std::optional<TenantNumber> tenant = FindTenant(info->tenant);
  if (!tenant.has_value()) return absl::InternalError("a collection's tenant has no number");
  const std::string old_entry = EncodeCollectionEntry(*info);
  info->schema = alteration.schema;
  info->schema_version = header.version;
  if (alteration.new_index) ++info->index_number;
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* catalog = rocks_.handle(Family::kCatalog);
  batch.Put(catalog, SchemaKey(prefix, header.version), old_entry);
  batch.Put(catalog, CollectionKey(*tenant, info->name), EncodeCollectionEntry(*info));
  batch.Put(rocks_.handle(Family::kCommits), CommitKey(prefix, header.version), EncodeCommitHeader(info->id, header));
  if (!header.request_id.empty()) {
    batch.Put(rocks_.handle(Family::kCommits), RequestKey(prefix, header.request_id), EncodeVersion(header.version));
  }
  if (auto s = rocks_.Write(batch); !s.ok()) return s;
  tip->state.latest = header.version;
  tip->time_us = header.time_us;
  directory_.SetEntry(MakeCollectionEntry(*tenant, *info));
  directory_.SetTip(info->id, *tip);
  {
    std::lock_guard lock(mu_);
    collections_[CollectionName(info->tenant, info->name)] = *info;
  }
  if (publish) publish(*info);
  CommitRequest request;
  request.collection = info->id;
  request.schema_version = info->schema_version;
  log_.TellListener({&request, &header});
  return AlterResult{.commit = {.header = std::move(header), .replayed = false}, .info = *std::move(info)};
}

absl::StatusOr<std::vector<std::pair<Version, CollectionSchema>>> RocksCatalog::ListSchemas(
    CollectionId collection) const {
  auto entry = directory_.Find(collection);
  if (!entry.ok()) return entry.status();
  const std::string begin = SchemaKeyPrefix((*entry)->prefix);
  std::vector<std::pair<Version, CollectionSchema>> schemas;
  absl::Status status;
  const absl::Status scanned = rocks_.Scan(
      Family::kCatalog, begin, PrefixEnd(begin), [&](std::string_view key, std::string_view value) {
        const absl::StatusOr<NumberedKeyParts> parts = DecodeSchemaKey(key);
        absl::StatusOr<CollectionInfo> info = DecodeCollectionEntry(value);
        status = parts.ok() ? info.status() : parts.status();
        if (status.ok()) schemas.emplace_back(Version(parts->number), std::move(info->schema));
        return status.ok();
      });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  return schemas;
}

}  // namespace vouch
