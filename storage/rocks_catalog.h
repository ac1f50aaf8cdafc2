#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/catalog.h"
#include "storage/collection_directory.h"
#include "storage/key_format.h"

namespace rocksdb {
class WriteBatch;
}  // namespace rocksdb

namespace vouch {

class LocalCommitLog;
class Rocks;

// The value of a collection's entry in `catalog`: its number, time and schema, sealed. DATA_LOSS.
std::string EncodeCollectionEntry(const CollectionInfo& info);
absl::StatusOr<CollectionInfo> DecodeCollectionEntry(std::string_view value);
// What commits go by of it.
std::shared_ptr<const CollectionEntry> MakeCollectionEntry(TenantNumber tenant, const CollectionInfo& info);
// The value of a tag: version and time. DATA_LOSS.
std::string EncodeTag(const Tag& tag);
absl::StatusOr<Tag> DecodeTag(std::string_view name, std::string_view value);
// The value of an alias: collection and time. DATA_LOSS.
std::string EncodeAlias(const Alias& alias);
absl::StatusOr<Alias> DecodeAlias(std::string_view name, std::string_view value);

// The catalog in RocksDB's `catalog` family, with the collections' entries in memory.
//
// Thread safety: as Catalog. Changes run as the commit log's only writer, so that they need no lock over I/O, and a
// collection is never dropped under a commit.
//
// Invariants:
// 1. Collection and tenant numbers are given once: the counter moves in the same write batch as its use.
// 2. Memory changes after the write is durable.
class RocksCatalog : public Catalog {
 public:
  RocksCatalog(Rocks& rocks, CollectionDirectory& directory, LocalCommitLog& log)
      : rocks_(rocks), directory_(directory), log_(log) {}

  // Reads everything, and fills the directory with where each collection stands. Once, before any other method.
  absl::Status Load();

  absl::StatusOr<CollectionInfo> CreateCollection(std::string_view tenant, std::string_view name,
                                                  const CollectionSchema& schema, int64_t now_us) override;
  absl::StatusOr<CollectionInfo> GetCollection(std::string_view tenant, std::string_view name) const override;
  absl::StatusOr<std::vector<CollectionInfo>> ListCollections(std::string_view tenant) const override;
  absl::StatusOr<std::vector<CollectionInfo>> ListAllCollections() const override;
  absl::Status DropCollection(std::string_view tenant, std::string_view name) override;
  absl::StatusOr<AlterResult> AlterCollection(
      const Alteration& alteration, const std::function<void(const CollectionInfo&)>& publish) override;
  absl::StatusOr<std::vector<std::pair<Version, CollectionSchema>>> ListSchemas(
      CollectionId collection) const override;
  absl::Status MoveAliases(std::string_view tenant, std::span<const AliasMove> moves, int64_t now_us) override;
  absl::StatusOr<std::vector<Alias>> ListAliases(std::string_view tenant) const override;
  absl::StatusOr<Tag> CreateTag(CollectionId collection, std::string_view name, Version version,
                                int64_t now_us) override;
  absl::StatusOr<Tag> GetTag(CollectionId collection, std::string_view name) const override;
  absl::StatusOr<std::vector<Tag>> ListTags(CollectionId collection) const override;
  absl::Status DeleteTag(CollectionId collection, std::string_view name) override;
  absl::Status PutSetting(CollectionId collection, std::string_view key, std::string_view value) override;
  absl::StatusOr<std::optional<std::string>> GetSetting(CollectionId collection,
                                                        std::string_view key) const override;
  absl::Status PutTenantSetting(std::string_view tenant, std::string_view key,
                                std::string_view value) override;
  absl::StatusOr<std::optional<std::string>> GetTenantSetting(std::string_view tenant,
                                                              std::string_view key) const override;

  // Parts of a transaction, as the only writer: a tag that is there already is `tag` then, and false.
  absl::StatusOr<bool> AddTag(CollectionId collection, Tag* tag, rocksdb::WriteBatch& batch) const;
  absl::Status RemoveTag(CollectionId collection, std::string_view name, rocksdb::WriteBatch& batch) const;
  absl::Status AddTenantSetting(TenantNumber tenant, std::string_view key,
                                const std::optional<std::string>& value, rocksdb::WriteBatch& batch) const;

  std::vector<std::string> TenantNames() const;  // ascending
  // The tenant's number; nullopt where it has none yet.
  std::optional<TenantNumber> FindTenant(std::string_view tenant) const;
  // Gives it one where it has none.
  absl::StatusOr<TenantNumber> FindOrAddTenant(std::string_view tenant);

 private:
  using CollectionName = std::pair<std::string, std::string>;  // tenant, name

  // As the only writer.
  absl::StatusOr<AlterResult> Alter(const Alteration& alteration,
                                    const std::function<void(const CollectionInfo&)>& publish);
  absl::StatusOr<CollectionInfo> FindInfo(CollectionId collection) const;
  absl::Status LoadTenants();
  absl::Status LoadCollections();
  absl::Status LoadAliases();
  // What is wrong with a move, as the only writer.
  absl::Status CheckMove(std::string_view tenant, const AliasMove& move) const;
  // FAILED_PRECONDITION where `name` is an alias or one leads to it.
  absl::Status CheckNoAlias(std::string_view tenant, std::string_view name) const;
  absl::StatusOr<uint64_t> NextNumber(const std::string& key) const;
  absl::StatusOr<TenantNumber> AddTenant(std::string_view tenant);
  absl::Status DropEntry(const CollectionInfo& info);
  absl::Status WriteSetting(std::string_view prefix, std::string_view key, std::string_view value);
  // Deletes the data of a collection that is dropped, key by key. (Not by ranges: a compaction
  // whose output is range deletions alone ends the process in an assertion of RocksDB 7.8 where it
  // cannot be written, on a full disk say.)
  absl::Status DeleteData(const std::string& prefix);
  // What an earlier run began.
  void DeleteDroppedData();

  Rocks& rocks_;
  CollectionDirectory& directory_;
  LocalCommitLog& log_;
  mutable std::mutex mu_;
  std::map<std::string, TenantNumber, std::less<>> tenants_;  // guarded by mu_
  std::map<CollectionName, CollectionInfo> collections_;  // guarded by mu_
  std::map<CollectionName, Alias> aliases_;  // by tenant and alias; guarded by mu_
};

}  // namespace vouch
