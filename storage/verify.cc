#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"
#include "storage/store.h"
#include "storage/verify_collection.h"

namespace vouch {

namespace {

// Holds RocksDB's own lock on the folder, so that no process writes meanwhile.
class FolderLock {
 public:
  static absl::StatusOr<std::unique_ptr<FolderLock>> Take(rocksdb::Env& env, const std::string& path) {
    std::unique_ptr<FolderLock> lock(new FolderLock(env));
    const rocksdb::Status status = env.LockFile(path + "/LOCK", &lock->file_);
    if (status.ok()) return lock;
    return absl::FailedPreconditionError(
        Concat("the store ", path, " is in use by another process: ", status.ToString()));
  }
  ~FolderLock() {
    if (file_ != nullptr) (void)env_.UnlockFile(file_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  explicit FolderLock(rocksdb::Env& env) : env_(env) {}
  rocksdb::Env& env_;
  rocksdb::FileLock* file_ = nullptr;
};

struct Found {
  CollectionInfo info;
  CollectionEntry entry;
};

// Checks the catalog, and gives the collections by their key prefix.
class CatalogVerifier {
 public:
  CatalogVerifier(const Rocks& rocks, VerifyFindings& findings) : rocks_(rocks), findings_(findings) {}

  absl::StatusOr<std::map<std::string, Found>> Run() {
    if (auto s = ReadTenants(); !s.ok()) return s;
    if (auto s = ReadCollections(); !s.ok()) return s;
    CheckCounter(NextCollectionKey(), largest_collection_, "collection");
    CheckCounter(NextTenantKey(), largest_tenant_, "tenant");
    return std::move(found_);
  }

 private:
  absl::Status ReadTenants() {
    return rocks_.Scan(Family::kCatalog, TenantKeyPrefix(), PrefixEnd(TenantKeyPrefix()),
                       [&](std::string_view key, std::string_view value) {
                         const std::string_view name = key.substr(TenantKeyPrefix().size());
                         Decoder decoder(value);
                         const uint64_t number = decoder.Be64();
                         if (!decoder.Done()) {
                           findings_.Add(Concat("tenant \"", Escape(name), "\" does not decode"));
                           return true;
                         }
                         largest_tenant_ = std::max(largest_tenant_, number);
                         tenants_.emplace(name, number);
                         return true;
                       });
  }

  absl::Status ReadCollections() {
    return rocks_.Scan(Family::kCatalog, CollectionKeyPrefix(), PrefixEnd(CollectionKeyPrefix()),
                       [&](std::string_view key, std::string_view value) {
                         AddCollection(key, value);
                         return true;
                       });
  }

  void AddCollection(std::string_view key, std::string_view value) {
    const absl::StatusOr<CollectionKeyParts> parts = DecodeCollectionKey(key);
    absl::StatusOr<CollectionInfo> info = DecodeCollectionEntry(value);
    if (!parts.ok() || !info.ok()) {
      findings_.Add(Concat("catalog: ", (parts.ok() ? info.status() : parts.status()).message()));
      return;
    }
    const auto tenant = tenants_.find(info->tenant);
    if (tenant == tenants_.end() || tenant->second != parts->tenant.value || info->name != parts->name) {
      findings_.Add(Concat("collection \"", Escape(info->name), "\" of tenant \"", Escape(info->tenant),
                           "\": its catalog entry stands under another's key"));
      return;
    }
    largest_collection_ = std::max(largest_collection_, info->id.value);
    CollectionEntry entry;
    entry.id = info->id;
    entry.prefix = CollectionPrefix(parts->tenant, info->id);
    for (const DenseField& field : info->schema.dense) {
      entry.dims.push_back(field.dim);
      entry.fields.push_back(field.name);
    }
    const std::string prefix = entry.prefix;
    if (!found_.emplace(prefix, Found{*std::move(info), std::move(entry)}).second) {
      findings_.Add(Concat("two collections have the number ", largest_collection_));
    }
  }

  void CheckCounter(const std::string& key, uint64_t largest, std::string_view what) {
    const auto value = rocks_.Get(Family::kCatalog, key);
    if (!value.ok() || !value->has_value()) {
      if (largest > 0) findings_.Add(Concat("catalog: the counter of ", what, " numbers is missing"));
      return;
    }
    Decoder decoder(**value);
    const uint64_t next = decoder.Be64();
    if (!decoder.Done() || next <= largest) {
      findings_.Add(Concat("catalog: the next ", what, " number is ", next, ", but ", largest, " is in use"));
    }
  }

  const Rocks& rocks_;
  VerifyFindings& findings_;
  std::map<std::string, uint64_t, std::less<>> tenants_;
  std::map<std::string, Found> found_;
  uint64_t largest_tenant_ = 0;
  uint64_t largest_collection_ = 0;
};

// Keys of no collection in the catalog.
absl::Status CheckStrays(const Rocks& rocks, const std::map<std::string, Found>& found,
                         VerifyFindings& findings) {
  for (const Family family : {Family::kCommits, Family::kRows, Family::kVectors, Family::kPoints,
                              Family::kRetired, Family::kDocuments, Family::kArtifacts}) {
    std::string begin;
    bool more = true;
    while (more) {
      more = false;
      std::string prefix;
      const absl::Status scanned = rocks.Scan(family, begin, "", [&](std::string_view key, std::string_view) {
        prefix = key.substr(0, kCollectionPrefixBytes);
        return false;
      });
      if (!scanned.ok()) return scanned;
      if (prefix.empty()) break;
      if (found.count(prefix) == 0) {
        findings.Add(Concat(kFamilyNames[static_cast<size_t>(family)], ": keys start with \"",
                            Escape(prefix), "\", which is no collection's"));
      }
      begin = PrefixEnd(prefix);
      more = !begin.empty();
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyStore(const StoreOptions& options) {
  RocksOptions rocks_options;
  rocks_options.path = options.path;
  rocks_options.read_only = true;
  rocks_options.block_cache_bytes = options.block_cache_bytes;
  rocks_options.write_buffer_bytes = options.write_buffer_bytes;
  rocks_options.env = static_cast<rocksdb::Env*>(options.rocksdb_env);
  rocksdb::Env& env = rocks_options.env != nullptr ? *rocks_options.env : *rocksdb::Env::Default();
  if (!env.FileExists(options.path + "/CURRENT").ok() && !env.FileExists(options.path).ok()) {
    return absl::NotFoundError(Concat("no store in ", options.path));
  }
  absl::StatusOr<std::unique_ptr<FolderLock>> lock = FolderLock::Take(env, options.path);
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::unique_ptr<Rocks>> rocks = Rocks::Open(rocks_options);
  if (!rocks.ok()) return rocks.status();

  VerifyReport report;
  VerifyFindings findings(report);
  if (const auto s = (*rocks)->db().VerifyChecksum(rocksdb::ReadOptions()); !s.ok()) {
    findings.Add(Concat("block checksums: ", s.ToString()));
  }
  absl::StatusOr<std::map<std::string, Found>> found = CatalogVerifier(**rocks, findings).Run();
  if (!found.ok()) {
    findings.Add(Concat("catalog: ", found.status().message()));
    return report;
  }
  if (auto s = CheckStrays(**rocks, *found, findings); !s.ok()) findings.Add(std::string(s.message()));
  for (const auto& [prefix, collection] : *found) {
    ++report.collections;
    CollectionVerifier verifier(**rocks, collection.info, collection.entry, findings);
    if (auto s = verifier.Run(); !s.ok()) {
      findings.Add(Concat("collection \"", Escape(collection.info.name), "\" of tenant \"",
                          Escape(collection.info.tenant), "\": ", s.message()));
    }
  }
  if (auto s = VerifyAnswers(**rocks, findings); !s.ok()) findings.Add(Concat("answers: ", s.message()));
  return report;
}

}  // namespace vouch
