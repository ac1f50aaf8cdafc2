#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/memory_budget.h"
#include "index/process_memory.h"
#include "query/collection.h"
#include "query/cross_encoder.h"
#include "storage/clock.h"
#include "storage/filesystem.h"
#include "storage/principal.h"
#include "storage/store.h"

namespace vouch {

struct DatabaseOptions {
  std::string path = {};  // DIR/store is RocksDB's, DIR/index the index files'
  bool create_if_missing = true;
  size_t background_threads = 1;  // builds and merges; more: sooner built, slower searches meanwhile
  size_t block_cache_bytes = size_t{64} << 20;
  // What indexes and store may hold in memory, 0: no limit. Near it caches shrink and fresh rows are sealed early; writes
  // and builds that would go over it are refused with RESOURCE_EXHAUSTED. Reads go on.
  uint64_t memory_limit_bytes = 0;
  // Threads of one batch of searches, or of the leaves of a fusion, the caller's among them; all searches share the
  // others. More: it ends sooner where cores are free.
  size_t batch_threads = 2;
  uint64_t seal_rows = 10'000;
  CrossEncoders cross_encoders = {};  // that rerankings name
  std::function<void(const std::string& message)>
      warn = {};  // hears of damaged index files, on any thread
  const Clock* clock = &Clock::System();
  Filesystem* filesystem = &Filesystem::System();
  void* rocksdb_env = nullptr;  // test only
};

// What a database holds in memory.
struct DatabaseMemory {
  MemoryBudget::Use use = {};
  StoreMemory store = {};     // use.store, in its parts
  ProcessMemory process = {};  // with all else that the process does
};

// One store and the indexes of its collections. Thread safe. The destructor stops background work.
class Database {
 public:
  static absl::StatusOr<std::unique_ptr<Database>> Open(DatabaseOptions options);
  virtual ~Database() = default;

  virtual absl::StatusOr<std::shared_ptr<Collection>> CreateCollection(const Principal& principal,
                                                                       std::string_view name,
                                                                       const CollectionSchema& schema) = 0;
  // Opens its index at first use.
  virtual absl::StatusOr<std::shared_ptr<Collection>> GetCollection(const Principal& principal,
                                                                    std::string_view name) = 0;
  virtual absl::StatusOr<std::vector<CollectionInfo>> ListCollections(const Principal& principal) const = 0;
  virtual absl::Status DropCollection(const Principal& principal, std::string_view name) = 0;
  // Of all tenants, in no order; those whose index was opened by a use.
  virtual std::vector<std::shared_ptr<Collection>> OpenCollections() = 0;

  virtual DatabaseMemory Memory() const = 0;
  // As Catalog::MoveAliases. An alias is taken wherever a collection's name is, but to drop it.
  virtual absl::Status MoveAliases(const Principal& principal, std::span<const AliasMove> moves) = 0;
  virtual absl::StatusOr<std::vector<Alias>> ListAliases(const Principal& principal) const = 0;

  virtual Store& store() = 0;
  virtual const Clock& clock() const = 0;
};

}  // namespace vouch
