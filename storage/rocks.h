#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Cache;
class ColumnFamilyHandle;
class DB;
class Env;
class Iterator;
class PinnableSlice;
class Slice;
class Status;
class WriteBatch;
}  // namespace rocksdb

namespace vouch {

struct StoreMemory;

// The column families, by their ordinal in kFamilyNames.
enum class Family : uint8_t {
  kCatalog,
  kCommits,
  kRows,
  kVectors,
  kPoints,
  kRetired,
  kDocuments,
  kArtifacts,
  kAnswers,
  kEvaluations,
  kAudit,
};
inline constexpr std::array<std::string_view, 11> kFamilyNames = {
    "catalog",   "commits",   "rows",    "vectors",     "points", "retired",
    "documents", "artifacts", "answers", "evaluations", "audit"};

struct RocksOptions {
  std::string path;
  bool create_if_missing = true;
  bool read_only = false;  // for VerifyStore: replays the write-ahead log in memory and changes nothing
  size_t block_cache_bytes = 0;
  size_t write_buffer_bytes = 0;
  rocksdb::Env* env = nullptr;
};

// Converts RocksDB's status; `what` says what was tried.
// Corruption: DATA_LOSS. No space: RESOURCE_EXHAUSTED. Other I/O errors: UNAVAILABLE.
absl::Status FromRocks(const rocksdb::Status& status, std::string_view what);

// RocksDB with our column families: the one boundary to it for reads and writes.
//
// Thread safety: all methods are thread safe.
//
// Invariants:
// 1. Every write is synced before Write returns.
// 2. After the first failed write nothing more is written, since RocksDB may then hold bytes that a later write would
//    make visible after a restart; reads go on.
class Rocks {
 public:
  // NOT_FOUND, FAILED_PRECONDITION (held by another process, or a newer format), DATA_LOSS.
  static absl::StatusOr<std::unique_ptr<Rocks>> Open(const RocksOptions& options);
  // Flushes what is in memory, so that the next start has nothing to replay.
  ~Rocks();
  Rocks(const Rocks&) = delete;
  Rocks& operator=(const Rocks&) = delete;

  // UNAVAILABLE naming the first failed write, where there was one.
  absl::Status CheckWritable() const;
  // Synced. An error leaves the store read-only.
  absl::Status Write(rocksdb::WriteBatch& batch);

  // nullopt where the key is not there.
  absl::StatusOr<std::optional<std::string>> Get(Family family, std::string_view key) const;
  // In the order of `keys`.
  absl::StatusOr<std::vector<std::optional<std::string>>> MultiGet(
      Family family, const std::vector<std::string_view>& keys) const;
  // Calls `visit` with each key of [begin, end) in order until it returns false; an empty `end` is the end of the family.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  absl::Status Scan(Family family, std::string_view begin, std::string_view end,
                    const Visitor& visit) const;
  // The last key of [begin, end); nullopt where the range is empty.
  absl::StatusOr<std::optional<std::string>> LastKey(Family family, std::string_view begin,
                                                     std::string_view end) const;

  StoreMemory Memory() const;
  void SetBlockCacheBytes(size_t bytes);
  void FlushMemtables();

  rocksdb::DB& db() const { return *db_; }
  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }

 private:
  Rocks() = default;
  class FlushListener;
  // Writes the format number where there is none, or an older one.
  absl::Status CheckFormat(bool read_only);
  absl::Status WriteFormat();

  // Constant after Open.
  std::shared_ptr<rocksdb::Cache> cache_;
  std::unique_ptr<rocksdb::DB> db_;
  bool read_only_ = false;
  std::shared_ptr<FlushListener> flush_listener_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;        // by Family
  std::vector<rocksdb::ColumnFamilyHandle*> other_handles_;  // `default`, and what a newer program made

  mutable std::mutex mu_;
  absl::Status write_error_;  // guarded by mu_
};

}  // namespace vouch
