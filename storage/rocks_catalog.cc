#include "storage/rocks_catalog.h"

#include <rocksdb/write_batch.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "storage/coding.h"
#include "storage/commit_table.h"
#include "storage/concat.h"
#include "storage/local_commit_log.h"
#include "storage/name.h"
#include "storage/retention_table.h"
#include "storage/rocks.h"
#include "storage/rocks_slice.h"

namespace vouch {

namespace {

constexpr size_t kMaxSettingBytes = size_t{1} << 20;
constexpr size_t kNamesInError = 10;
constexpr size_t kDeletesABatch = 10'000;

std::string EncodeNumber(uint64_t number) {
  std::string value;
  PutBe64(value, number);
  return value;
}

absl::Status CheckSetting(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > Limits::kMaxNameBytes) {
    return absl::InvalidArgumentError(Concat("a setting's key has ", key.size(),
                                             " bytes; it must have 1 to ", Limits::kMaxNameBytes));
  }
  if (value.size() > kMaxSettingBytes) {
    return absl::InvalidArgumentError(Concat("the setting \"", Escape(key), "\" has ", value.size(),
                                             " bytes; the limit is ", kMaxSettingBytes));
  }
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<const CollectionEntry> MakeCollectionEntry(TenantNumber tenant, const CollectionInfo& info) {
  auto entry = std::make_shared<CollectionEntry>();
  entry->id = info.id;
  entry->prefix = CollectionPrefix(tenant, info.id);
  entry->schema_version = info.schema_version;
  for (const DenseField& field : info.schema.dense) {
    entry->dims.push_back(field.dim);
    entry->types.push_back(field.type);
    entry->fields.push_back(field.name);
  }
  for (const SparseField& field : info.schema.sparse) entry->sparse_fields.push_back(field.name);
  entry->multi_vector_fields = info.schema.multi_vector;
  return entry;
}

absl::Status RocksCatalog::Load() {
  if (auto s = LoadTenants(); !s.ok()) return s;
  if (auto s = LoadCollections(); !s.ok()) return s;
  if (auto s = LoadAliases(); !s.ok()) return s;
  DeleteDroppedData();
  return absl::OkStatus();
}

absl::Status RocksCatalog::LoadTenants() {
  absl::Status status;
  std::map<std::string, TenantNumber, std::less<>> tenants;
  const absl::Status scanned = rocks_.Scan(
      Family::kCatalog, TenantKeyPrefix(), PrefixEnd(TenantKeyPrefix()),
      [&](std::string_view key, std::string_view value) {
        absl::StatusOr<std::string_view> name = DecodeTenantKey(key);
        Decoder decoder(value);
        const uint64_t number = decoder.Be64();
        if (!name.ok() || !decoder.Done()) {
          status = absl::DataLossError("a tenant's catalog entry is damaged");
          return false;
        }
        tenants.emplace(*name, TenantNumber(number));
        return true;
      });
  if (!status.ok()) return status;
  std::lock_guard lock(mu_);
  tenants_ = std::move(tenants);
  return scanned;
}

absl::Status RocksCatalog::LoadCollections() {
  const CommitTable commits(rocks_);
  absl::Status status;
  const auto load = [&](std::string_view key, std::string_view value) {
    absl::StatusOr<CollectionKeyParts> parts = DecodeCollectionKey(key);
    absl::StatusOr<CollectionInfo> info = DecodeCollectionEntry(value);
    if (!parts.ok() || !info.ok()) {
      status = parts.ok() ? info.status() : parts.status();
      return false;
    }
    const std::optional<TenantNumber> tenant = FindTenant(info->tenant);
    if (info->name != parts->name || tenant != parts->tenant) {
      status = absl::DataLossError(Concat("the catalog entry of collection \"", info->name,
                                                "\" stands under another's key"));
      return false;
    }
    std::shared_ptr<const CollectionEntry> entry = MakeCollectionEntry(parts->tenant, *info);
    absl::StatusOr<CollectionTip> tip = commits.RecoverTip(*entry);
    if (!tip.ok()) {
      status = tip.status();
      return false;
    }
    absl::StatusOr<RetentionState> retention = RetentionTable(rocks_).Load(*entry);
    if (!retention.ok()) {
      status = retention.status();
      return false;
    }
    directory_.Add(std::move(entry), *tip);
    directory_.SetRetention(info->id, *std::move(retention));
    std::lock_guard lock(mu_);
    collections_.emplace(CollectionName(info->tenant, info->name), *info);
    return true;
  };
  const absl::Status scanned = rocks_.Scan(Family::kCatalog, CollectionKeyPrefix(),
                                           PrefixEnd(CollectionKeyPrefix()), load);
  return status.ok() ? scanned : status;
}

absl::StatusOr<uint64_t> RocksCatalog::NextNumber(const std::string& key) const {
  auto value = rocks_.Get(Family::kCatalog, key);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return uint64_t{1};
  Decoder decoder(**value);
  const uint64_t number = decoder.Be64();
  if (!decoder.Done() || number == 0) {
    return absl::DataLossError("a counter of the catalog is damaged");
  }
  return number;
}

std::optional<TenantNumber> RocksCatalog::FindTenant(std::string_view tenant) const {
  std::lock_guard lock(mu_);
  const auto at = tenants_.find(tenant);
  if (at == tenants_.end()) return std::nullopt;
  return at->second;
}

std::vector<std::string> RocksCatalog::TenantNames() const {
  std::vector<std::string> names;
  std::lock_guard lock(mu_);
  for (const auto& [name, number] : tenants_) names.push_back(name);
  return names;
}

absl::StatusOr<TenantNumber> RocksCatalog::FindOrAddTenant(std::string_view tenant) {
  if (const auto number = FindTenant(tenant)) return *number;
  absl::StatusOr<TenantNumber> number = absl::InternalError("not run");
  const absl::Status status = log_.RunExclusive([&] {
    number = AddTenant(tenant);
    return number.status();
  });
  if (!status.ok()) return status;
  return number;
}

// As the only writer.
absl::StatusOr<TenantNumber> RocksCatalog::AddTenant(std::string_view tenant) {
  if (const auto number = FindTenant(tenant)) return *number;
  if (auto s = CheckName("tenant", tenant); !s.ok()) return s;
  absl::StatusOr<uint64_t> next = NextNumber(NextTenantKey());
  if (!next.ok()) return next.status();
  if (*next > UINT32_MAX) return absl::ResourceExhaustedError("all tenant numbers are used");
  rocksdb::WriteBatch batch;
  batch.Put(rocks_.handle(Family::kCatalog), NextTenantKey(), EncodeNumber(*next + 1));
  batch.Put(rocks_.handle(Family::kCatalog), TenantKey(tenant), EncodeNumber(*next));
  if (auto s = rocks_.Write(batch); !s.ok()) return s;
  std::lock_guard lock(mu_);
  tenants_.emplace(tenant, TenantNumber(*next));
  return TenantNumber(*next);
}

absl::StatusOr<CollectionInfo> RocksCatalog::CreateCollection(std::string_view tenant,
                                                              std::string_view name,
                                                              const CollectionSchema& schema,
                                                              int64_t now_us) {
  if (auto s = CheckName("collection", name); !s.ok()) return s;
  if (auto s = schema.Validate(); !s.ok()) return s;
  CollectionInfo info;
  info.tenant = tenant;
  info.name = name;
  info.schema = schema;
  // A file of another collection's schema may have such places.
  std::erase_if(info.schema.dense, [](const DenseField& field) { return field.dropped; });
  std::erase_if(info.schema.sparse, [](const SparseField& field) { return field.dropped; });
  std::erase_if(info.schema.multi_vector, [](const MultiVectorField& field) { return field.dropped; });
  info.created_us = now_us;
  const absl::Status status = log_.RunExclusive([&]() -> absl::Status {
    if (const auto old = GetCollection(tenant, name); old.ok()) {
      return absl::AlreadyExistsError(
          old->name == name ? Concat("the collection \"", name, "\" exists already")
                            : Concat("an alias of the collection \"", old->name, "\" has the name \"",
                                     name, "\""));
    }
    absl::StatusOr<TenantNumber> number = AddTenant(tenant);
    if (!number.ok()) return number.status();
    absl::StatusOr<uint64_t> next = NextNumber(NextCollectionKey());
    if (!next.ok()) return next.status();
    info.id = CollectionId(*next);
    rocksdb::WriteBatch batch;
    batch.Put(rocks_.handle(Family::kCatalog), NextCollectionKey(), EncodeNumber(*next + 1));
    batch.Put(rocks_.handle(Family::kCatalog), CollectionKey(*number, name),
              EncodeCollectionEntry(info));
    if (auto s = rocks_.Write(batch); !s.ok()) return s;
    directory_.Add(MakeCollectionEntry(*number, info), CollectionTip{});
    std::lock_guard lock(mu_);
    collections_.emplace(CollectionName(tenant, name), info);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return info;
}

absl::StatusOr<CollectionInfo> RocksCatalog::GetCollection(std::string_view tenant,
                                                           std::string_view name) const {
  std::vector<std::string> others;
  {
    std::lock_guard lock(mu_);
    const auto at = collections_.find(CollectionName(tenant, name));
    if (at != collections_.end()) return at->second;
    if (const auto alias = aliases_.find(CollectionName(tenant, name)); alias != aliases_.end()) {
      const auto target = collections_.find(CollectionName(tenant, alias->second.collection));
      if (target != collections_.end()) return target->second;
    }
    for (const auto& [key, info] : collections_) {
      if (key.first == tenant && others.size() <= kNamesInError) others.push_back(key.second);
    }
  }
  std::string hint = "there is none yet";
  if (!others.empty()) {
    const bool more = others.size() > kNamesInError;
    if (more) others.pop_back();
    hint = Concat("there are ", absl::StrJoin(others, ", "), more ? ", …" : "");
  }
  return absl::NotFoundError(Concat("no collection is named \"",
                                          Escape(name, 200), "\"; ", hint));
}

absl::StatusOr<std::vector<CollectionInfo>> RocksCatalog::ListCollections(
    std::string_view tenant) const {
  std::vector<CollectionInfo> infos;
  std::lock_guard lock(mu_);
  for (const auto& [key, info] : collections_) {
    if (key.first == tenant) infos.push_back(info);
  }
  return infos;
}

absl::StatusOr<std::vector<CollectionInfo>> RocksCatalog::ListAllCollections() const {
  std::vector<CollectionInfo> infos;
  std::lock_guard lock(mu_);
  for (const auto& [key, info] : collections_) infos.push_back(info);
  return infos;
}

absl::Status RocksCatalog::DropCollection(std::string_view tenant, std::string_view name) {
  std::string prefix;
  const absl::Status status = log_.RunExclusive([&]() -> absl::Status {
    absl::StatusOr<CollectionInfo> info = GetCollection(tenant, name);
    if (!info.ok()) return info.status();
    if (auto s = CheckNoAlias(tenant, name); !s.ok()) return s;
    const auto number = FindTenant(info->tenant);
    if (number.has_value()) prefix = CollectionPrefix(*number, info->id);
    return DropEntry(*info);
  });
  if (!status.ok()) return status;
  // The collection is gone. Where its data cannot be deleted now, the next start does it.
  (void)DeleteData(prefix);
  return absl::OkStatus();
}

absl::Status RocksCatalog::DeleteData(const std::string& prefix) {
  rocksdb::WriteBatch batch;
  const auto delete_all = [&](Family family, const std::string& keys) -> absl::Status {
    absl::Status written;
    const absl::Status scanned =
        rocks_.Scan(family, keys, PrefixEnd(keys), [&](std::string_view key, std::string_view) {
          batch.Delete(rocks_.handle(family), ToSlice(key));
          if (batch.Count() < kDeletesABatch) return true;
          written = rocks_.Write(batch);
          batch.Clear();
          return written.ok();
        });
    return written.ok() ? scanned : written;
  };
  for (const Family family : {Family::kCommits, Family::kRows, Family::kVectors, Family::kPoints,
                              Family::kRetired, Family::kDocuments, Family::kArtifacts}) {
    if (auto s = delete_all(family, prefix); !s.ok()) return s;
  }
  for (const std::string& keys : {TagKey(prefix, ""), SettingKey(prefix, ""), RetentionKey(prefix),
                                  PurgedKeyPrefix(prefix), SchemaKeyPrefix(prefix)}) {
    if (auto s = delete_all(Family::kCatalog, keys); !s.ok()) return s;
  }
  batch.Delete(rocks_.handle(Family::kCatalog), DroppedKey(prefix));
  return rocks_.Write(batch);
}

void RocksCatalog::DeleteDroppedData() {
  std::vector<std::string> prefixes;
  const absl::Status scanned =
      rocks_.Scan(Family::kCatalog, DroppedKeyPrefix(), PrefixEnd(DroppedKeyPrefix()),
                  [&](std::string_view key, std::string_view) {
                    if (const auto prefix = DecodeDroppedKey(key); prefix.ok())
                      prefixes.emplace_back(*prefix);
                    return true;
                  });
  if (!scanned.ok()) return;
  // Nobody reads what is left of them; where it cannot be deleted now, the next start tries again.
  for (const std::string& prefix : prefixes) (void)DeleteData(prefix);
}

absl::Status RocksCatalog::DropEntry(const CollectionInfo& info) {
  auto entry = directory_.Find(info.id);
  if (!entry.ok()) return entry.status();
  const std::optional<TenantNumber> tenant = FindTenant(info.tenant);
  if (!tenant.has_value()) return absl::InternalError("a collection's tenant has no number");
  const std::string& prefix = (*entry)->prefix;
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* catalog = rocks_.handle(Family::kCatalog);
  batch.Delete(catalog, CollectionKey(*tenant, info.name));
  batch.Put(catalog, DroppedKey(prefix), "");
  if (auto s = rocks_.Write(batch); !s.ok()) return s;
  directory_.Remove(info.id);
  std::lock_guard lock(mu_);
  collections_.erase(CollectionName(info.tenant, info.name));
  return absl::OkStatus();
}

absl::StatusOr<Tag> RocksCatalog::CreateTag(CollectionId collection, std::string_view name,
                                            Version version, int64_t now_us) {
  Tag tag{std::string(name), version, now_us};
  const absl::Status status = log_.RunExclusive([&]() -> absl::Status {
    rocksdb::WriteBatch batch;
    const absl::StatusOr<bool> added = AddTag(collection, &tag, batch);
    if (!added.ok() || !*added) return added.status();
    return rocks_.Write(batch);
  });
  if (!status.ok()) return status;
  return tag;
}

absl::StatusOr<bool> RocksCatalog::AddTag(CollectionId collection, Tag* tag,
                                          rocksdb::WriteBatch& batch) const {
  if (auto s = CheckName("tag", tag->name); !s.ok()) return s;
  auto entry = directory_.Find(collection);
  if (!entry.ok()) return entry.status();
  absl::StatusOr<CollectionTip> tip = directory_.Tip(collection);
  if (!tip.ok()) return tip.status();
  if (tag->version < Version(1) || tag->version > tip->state.latest) {
    return absl::NotFoundError(Concat("version ", tag->version.value,
                                      " was never committed; the latest is ",
                                      tip->state.latest.value));
  }
  const auto retention = directory_.Retention(collection);
  if (!retention.ok()) return retention.status();
  if (!(*retention)->IsReadable(tag->version)) {
    return absl::OutOfRangeError(Concat("version ", tag->version.value,
                                        " was let go by the collection's retention; the oldest kept version is ",
                                        (*retention)->oldest().value));
  }
  absl::StatusOr<Tag> old = GetTag(collection, tag->name);
  if (old.ok()) {
    if (old->version != tag->version) {
      return absl::AlreadyExistsError(Concat("the tag \"", tag->name, "\" names version ",
                                             old->version.value, " and cannot be moved"));
    }
    *tag = *std::move(old);
    return false;
  }
  if (!absl::IsNotFound(old.status())) return old.status();
  batch.Put(rocks_.handle(Family::kCatalog), TagKey((*entry)->prefix, tag->name), EncodeTag(*tag));
  return true;
}

absl::StatusOr<Tag> RocksCatalog::GetTag(CollectionId collection, std::string_view name) const {
  auto entry = directory_.Find(collection);
  if (!entry.ok()) return entry.status();
  auto value = rocks_.Get(Family::kCatalog, TagKey((*entry)->prefix, name));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    return absl::NotFoundError(Concat("no tag is named \"",
                                            Escape(name, 200), "\""));
  }
  return DecodeTag(name, **value);
}

absl::StatusOr<std::vector<Tag>> RocksCatalog::ListTags(CollectionId collection) const {
  auto entry = directory_.Find(collection);
  if (!entry.ok()) return entry.status();
  const std::string begin = TagKey((*entry)->prefix, "");
  std::vector<Tag> tags;
  absl::Status status;
  const absl::Status scanned =
      rocks_.Scan(Family::kCatalog, begin, PrefixEnd(begin),
                  [&](std::string_view key, std::string_view value) {
                    absl::StatusOr<std::string_view> name = DecodeTagKey(key);
                    absl::StatusOr<Tag> tag =
                        name.ok() ? DecodeTag(*name, value) : absl::StatusOr<Tag>(name.status());
                    if (!tag.ok()) {
                      status = tag.status();
                      return false;
                    }
                    tags.push_back(*std::move(tag));
                    return true;
                  });
  if (!status.ok()) return status;
  if (!scanned.ok()) return scanned;
  return tags;
}

absl::Status RocksCatalog::DeleteTag(CollectionId collection, std::string_view name) {
  return log_.RunExclusive([&]() -> absl::Status {
    rocksdb::WriteBatch batch;
    if (auto s = RemoveTag(collection, name, batch); !s.ok()) return s;
    return rocks_.Write(batch);
  });
}

absl::Status RocksCatalog::RemoveTag(CollectionId collection, std::string_view name,
                                     rocksdb::WriteBatch& batch) const {
  if (auto tag = GetTag(collection, name); !tag.ok()) return tag.status();
  auto entry = directory_.Find(collection);
  if (!entry.ok()) return entry.status();
  batch.Delete(rocks_.handle(Family::kCatalog), TagKey((*entry)->prefix, name));
  return absl::OkStatus();
}

absl::Status RocksCatalog::PutSetting(CollectionId collection, std::string_view key,
                                      std::string_view value) {
  if (auto s = CheckSetting(key, value); !s.ok()) return s;
  return log_.RunExclusive([&]() -> absl::Status {
    auto entry = directory_.Find(collection);
    if (!entry.ok()) return entry.status();
    return WriteSetting((*entry)->prefix, key, value);
  });
}

absl::StatusOr<std::optional<std::string>> RocksCatalog::GetSetting(CollectionId collection,
                                                                    std::string_view key) const {
  auto entry = directory_.Find(collection);
  if (!entry.ok()) return entry.status();
  return rocks_.Get(Family::kCatalog, SettingKey((*entry)->prefix, key));
}

absl::Status RocksCatalog::PutTenantSetting(std::string_view tenant, std::string_view key,
                                            std::string_view value) {
  if (auto s = CheckSetting(key, value); !s.ok()) return s;
  const absl::StatusOr<TenantNumber> number = FindOrAddTenant(tenant);
  if (!number.ok()) return number.status();
  return log_.RunExclusive(
      [&] { return WriteSetting(CollectionPrefix(*number, kNoCollection), key, value); });
}

absl::StatusOr<std::optional<std::string>> RocksCatalog::GetTenantSetting(
    std::string_view tenant, std::string_view key) const {
  const std::optional<TenantNumber> number = FindTenant(tenant);
  if (!number.has_value()) return std::nullopt;
  return rocks_.Get(Family::kCatalog, SettingKey(CollectionPrefix(*number, kNoCollection), key));
}

absl::Status RocksCatalog::AddTenantSetting(TenantNumber tenant, std::string_view key,
                                            const std::optional<std::string>& value,
                                            rocksdb::WriteBatch& batch) const {
  if (auto s = CheckSetting(key, value.value_or("")); !s.ok()) return s;
  const std::string at = SettingKey(CollectionPrefix(tenant, kNoCollection), key);
  if (value.has_value()) {
    batch.Put(rocks_.handle(Family::kCatalog), at, ToSlice(*value));
  } else {
    batch.Delete(rocks_.handle(Family::kCatalog), at);
  }
  return absl::OkStatus();
}

absl::Status RocksCatalog::WriteSetting(std::string_view prefix, std::string_view key,
                                        std::string_view value) {
  rocksdb::WriteBatch batch;
  batch.Put(rocks_.handle(Family::kCatalog), SettingKey(prefix, key), ToSlice(value));
  return rocks_.Write(batch);
}

}  // namespace vouch
