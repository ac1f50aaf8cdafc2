#include "query/database.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "index/job_pool.h"
#include "query/collection_impl.h"
#include "query/offload.h"

namespace vouch {
namespace {

constexpr size_t kPressedCacheShare = 8;
// Memtables below this part of the limit stay: flushing them again and again would make many small files.
constexpr uint64_t kPressedMemtableShare = 16;

std::string DirectoryName(CollectionId id) { return absl::StrCat("c", id.value); }

// The local store, one job pool and the collections opened so far.
class LocalDatabase final : public Database, private CommitListener {
 public:
  LocalDatabase(DatabaseOptions options, std::unique_ptr<Store> store)
      : options_(std::move(options)),
        store_(std::move(store)),
        memory_({.limit_bytes = options_.memory_limit_bytes,
                 .store_bytes = [this] { return store_->Memory().total(); },
                 .relieve = [this](bool pressed) { Relieve(pressed); }}),
        job_pool_(std::make_unique<JobPool>(std::max<size_t>(1, options_.background_threads))) {
    if (options_.batch_threads > 1) {
      search_pool_ = std::make_unique<JobPool>(options_.batch_threads - 1, JobPriority::kSearch);
    }
    store_->SetListener(this);
  }

  ~LocalDatabase() override {
    store_->SetListener(nullptr);
    for (const std::shared_ptr<CollectionImpl>& collection : OpenImpls()) {
      collection->Close();
    }
    job_pool_.reset();
  }

  // Index files of collections that are gone: a crash came between the drop and the removal.
  absl::Status RemoveOrphans() {
    const absl::StatusOr<std::vector<CollectionInfo>> kept = store_->catalog().ListAllCollections();
    if (!kept.ok()) return kept.status();
    absl::flat_hash_set<std::string> names;
    for (const CollectionInfo& info : *kept) {
      names.insert(IndexDirectoryOf(DirectoryName(info.id), info.index_number));
    }
    const absl::StatusOr<std::vector<std::string>> found =
        options_.filesystem->ListDirectory(IndexDirectory());
    if (!found.ok()) return found.status();
    for (const std::string& name : *found) {
      // "c7", or "c7-2" where alterations have built other indexes.
      uint64_t number = 0;
      const size_t dash = std::min(name.find('-'), name.size());
      const bool ours = name.starts_with('c') && absl::SimpleAtoi(name.substr(1, dash - 1), &number) &&
                        (dash == name.size() || absl::SimpleAtoi(name.substr(dash + 1), &number));
      if (!ours || names.contains(name)) continue;
      absl::Status status = options_.filesystem->RemoveAll(IndexDirectory() + "/" + name);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<Collection>> CreateCollection(
      const Principal& principal, std::string_view name, const CollectionSchema& schema) override {
    absl::StatusOr<CollectionInfo> info = store_->catalog().CreateCollection(
        principal.tenant, name, schema, options_.clock->NowMicros());
    if (!info.ok()) return info.status();
    return OpenSlot(*std::move(info));
  }

  absl::StatusOr<std::shared_ptr<Collection>> GetCollection(const Principal& principal,
                                                            std::string_view name) override {
    absl::StatusOr<CollectionInfo> info = store_->catalog().GetCollection(principal.tenant, name);
    if (!info.ok()) return info.status();
    return OpenSlot(*std::move(info));
  }

  absl::StatusOr<std::vector<CollectionInfo>> ListCollections(
      const Principal& principal) const override {
    return store_->catalog().ListCollections(principal.tenant);
  }

  absl::Status DropCollection(const Principal& principal, std::string_view name) override {
    const absl::StatusOr<CollectionInfo> info =
        store_->catalog().GetCollection(principal.tenant, name);
    if (!info.ok()) return info.status();
    const std::shared_ptr<Slot> slot = SlotOf(info->id);
    const std::lock_guard opening(slot->opening);  // an open that runs ends first; none begins
    const std::shared_ptr<CollectionImpl> collection = CollectionOf(*slot);
    const auto drop = [&] { return store_->catalog().DropCollection(principal.tenant, name); };
    absl::Status status = collection != nullptr ? collection->Drop(drop) : drop();
    if (!status.ok()) return status;
    if (collection == nullptr) {
      // What cannot be removed now goes when the database is next opened.
      options_.filesystem->RemoveAll(IndexDirectoryOf(IndexDirectory(info->id), info->index_number)).IgnoreError();
    }
    const std::lock_guard lock(mu_);
    slots_.erase(info->id);
    return absl::OkStatus();
  }

  DatabaseMemory Memory() const override {
    return {.use = memory_.Measure(), .store = store_->Memory(), .process = ReadProcessMemory()};
  }

  absl::Status MoveAliases(const Principal& principal, std::span<const AliasMove> moves) override {
    return store_->catalog().MoveAliases(principal.tenant, moves, options_.clock->NowMicros());
  }
  absl::StatusOr<std::vector<Alias>> ListAliases(const Principal& principal) const override {
    return store_->catalog().ListAliases(principal.tenant);
  }

  std::vector<std::shared_ptr<Collection>> OpenCollections() override {
    const std::vector<std::shared_ptr<CollectionImpl>> open = OpenImpls();
    return {open.begin(), open.end()};
  }

  Store& store() override { return *store_; }
  const Clock& clock() const override { return *options_.clock; }
  void SetOffloads(DenseOffloads* offloads) { offloads_ = offloads; }
  DenseOffloads* offloads() const { return offloads_; }

 private:
  // One collection's place. `opening` is held while its index is opened, and blocks no other
  // collection.
  struct Slot {
    std::mutex opening;
    std::shared_ptr<CollectionImpl> collection;  // guarded by LocalDatabase::mu_
  };

  // The block cache goes to an eighth and memtables to files; the cache grows again when there is room.
  void Relieve(bool pressed) {
    if (pressed_.exchange(pressed) == pressed && !pressed) return;
    const size_t cache = options_.block_cache_bytes;
    store_->SetBlockCacheBytes(pressed ? cache / kPressedCacheShare : cache);
    if (pressed && store_->Memory().memtables > options_.memory_limit_bytes / kPressedMemtableShare) {
      store_->FlushMemtables();
    }
  }

  std::string IndexDirectory() const { return options_.path + "/index"; }
  std::string IndexDirectory(CollectionId id) const {
    return IndexDirectory() + "/" + DirectoryName(id);
  }

  void OnCommits(std::span<const DurableCommit> commits) override {
    // By collection, in order within each.
    absl::flat_hash_map<CollectionId, std::vector<DurableCommit>> parts;
    for (const DurableCommit& commit : commits) parts[commit.request->collection].push_back(commit);
    for (const auto& [id, part] : parts) {
      std::shared_ptr<CollectionImpl> collection;
      {
        const std::lock_guard lock(mu_);
        const auto slot = slots_.find(id);
        if (slot != slots_.end()) collection = slot->second->collection;
      }
      if (collection != nullptr) collection->Apply(part);
    }
  }

  std::shared_ptr<Slot> SlotOf(CollectionId id) {
    const std::lock_guard lock(mu_);
    std::shared_ptr<Slot>& slot = slots_[id];
    if (slot == nullptr) slot = std::make_shared<Slot>();
    return slot;
  }

  std::shared_ptr<CollectionImpl> CollectionOf(const Slot& slot) {
    const std::lock_guard lock(mu_);
    return slot.collection;
  }

  std::vector<std::shared_ptr<CollectionImpl>> OpenImpls() {
    const std::lock_guard lock(mu_);
    std::vector<std::shared_ptr<CollectionImpl>> open;
    for (const auto& [id, slot] : slots_) {
      if (slot->collection != nullptr) open.push_back(slot->collection);
    }
    return open;
  }

  // Commits come only through a Collection, and none is given out before its index is open: so no
  // commit is missed.
  absl::StatusOr<std::shared_ptr<Collection>> OpenSlot(CollectionInfo info) {
    const std::shared_ptr<Slot> slot = SlotOf(info.id);
    if (std::shared_ptr<CollectionImpl> open = CollectionOf(*slot); open != nullptr) return open;
    const std::lock_guard opening(slot->opening);
    if (std::shared_ptr<CollectionImpl> open = CollectionOf(*slot); open != nullptr) return open;
    const CollectionId id = info.id;
    absl::StatusOr<std::shared_ptr<CollectionImpl>> collection =
        CollectionImpl::Open(std::move(info), {.store = store_.get(),
                                               .clock = options_.clock,
                                               .filesystem = options_.filesystem,
                                               .job_pool = job_pool_.get(),
                                               .memory = &memory_,
                                               .cross_encoders = &options_.cross_encoders,
                                               .search_pool = search_pool_.get(),
                                               .index_directory = IndexDirectory(id),
                                               .seal_rows = options_.seal_rows,
                                               .warn = options_.warn,
                                               .offloads = offloads_.load()});
    if (!collection.ok()) return collection.status();
    const std::lock_guard lock(mu_);
    slot->collection = *collection;
    return *std::move(collection);
  }

  const DatabaseOptions options_;
  const std::unique_ptr<Store> store_;
  MemoryBudget memory_;
  std::atomic<bool> pressed_{false};
  std::atomic<DenseOffloads*> offloads_{nullptr};
  std::unique_ptr<JobPool> job_pool_;
  std::unique_ptr<JobPool> search_pool_;  // null where batches run on one thread
  std::mutex mu_;
  absl::flat_hash_map<CollectionId, std::shared_ptr<Slot>> slots_;  // guarded by mu_
};

}  // namespace

void UseOffloads(Database& database, DenseOffloads* offloads) {
  static_cast<LocalDatabase&>(database).SetOffloads(offloads);  // the only kind of database there is
}

DenseOffloads* OffloadsOf(const Database& database) {
  return static_cast<const LocalDatabase&>(database).offloads();
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(DatabaseOptions options) {
  if (options.path.empty()) return absl::InvalidArgumentError("the database's folder has no name");
  if (options.create_if_missing) {
    absl::Status status = options.filesystem->CreateDirectories(options.path);
    if (!status.ok()) return status;
  }
  // Write buffers that the limit could not hold several of would leave nothing to indexes.
  StoreOptions defaults;
  size_t write_buffer = defaults.write_buffer_bytes;
  if (options.memory_limit_bytes != 0) {
    const uint64_t share = options.memory_limit_bytes / kPressedMemtableShare;
    write_buffer = std::clamp<uint64_t>(share, size_t{1} << 20, write_buffer);
    options.block_cache_bytes = std::min<size_t>(options.block_cache_bytes, options.memory_limit_bytes / 4);
  }
  absl::StatusOr<std::unique_ptr<Store>> store =
      Store::Open({.path = options.path + "/store",
                   .create_if_missing = options.create_if_missing,
                   .block_cache_bytes = options.block_cache_bytes,
                   .write_buffer_bytes = write_buffer,
                   .rocksdb_env = options.rocksdb_env});
  if (!store.ok()) return store.status();
  absl::Status status = options.filesystem->CreateDirectories(options.path + "/index");
  if (!status.ok()) return status;
  auto database = std::make_unique<LocalDatabase>(std::move(options), *std::move(store));
  if (status = database->RemoveOrphans(); !status.ok()) return status;
  return database;
}

}  // namespace vouch
