#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/catalog.h"
#include "storage/commit.h"
#include "storage/commit_log.h"
#include "storage/ids.h"
#include "storage/purged_rows.h"
#include "storage/retention.h"

namespace vouch {

struct StoreOptions {
  std::string path = {};          // a folder; made where missing
  bool create_if_missing = true;  // false: NOT_FOUND where no store is
  size_t block_cache_bytes = size_t{64} << 20;
  size_t write_buffer_bytes = size_t{64} << 20;
  // Test only: a rocksdb::Env* that injects faults; null takes the system's.
  void* rocksdb_env = nullptr;
};

// What the store keeps of one collection's state in memory: enough to name any read.
struct CollectionState {
  Version latest = {};   // 0: no commit yet
  uint64_t rows = 0;     // rows ever added = rows_end of the latest header
  uint64_t live_rows = 0;
};

// Bytes that the store holds in memory.
struct StoreMemory {
  uint64_t block_cache = 0;    // blocks of files, kept for the next read
  uint64_t memtables = 0;      // what was written and is in no file yet
  uint64_t table_readers = 0;  // indexes and filters of open files
  uint64_t total() const { return block_cache + memtables + table_readers; }
};

// The truth: RocksDB with its column families behind the project's own words. The only one that includes rocksdb.
//
// Thread safety: all methods are thread safe. One process opens a store at a time.
//
// Invariants:
// 1. Rows are append-only in commit order; only `retired` and `points` are overwritten, by the commit that does it. Retention
//    alone takes rows away, those that no readable version shows.
// 2. A commit is one write batch, synced before it is acknowledged.
// 3. Reads of a row at a version need no lock: row < rows(v), and retired(row) > v.
class Store {
 public:
  // FAILED_PRECONDITION: another process holds the store, or a newer program wrote it. DATA_LOSS: damaged files.
  static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options);
  virtual ~Store() = default;

  virtual Catalog& catalog() = 0;
  virtual CommitLog& commit_log() = 0;
  // Null removes it. Set before the first commit.
  virtual void SetListener(CommitListener* listener) = 0;

  // --- reads; NOT_FOUND where the thing never was, DATA_LOSS where a stored value does not decode
  virtual absl::StatusOr<CollectionState> GetState(CollectionId collection) const = 0;
  virtual absl::StatusOr<CommitHeader> GetCommit(CollectionId collection, Version version) const = 0;
  // Headers of versions [first, last], at most `limit`, ascending.
  virtual absl::StatusOr<std::vector<CommitHeader>> ListCommits(CollectionId collection, Version first, Version last,
                                                                size_t limit) const = 0;
  // The latest version whose time is at or before `time_us`; 0 where none is.
  virtual absl::StatusOr<Version> FindVersionAt(CollectionId collection, int64_t time_us) const = 0;
  // The commit that a request id made; nullopt where the collection does not know it.
  virtual absl::StatusOr<std::optional<CommitHeader>> FindRequest(CollectionId collection,
                                                                  std::string_view request_id) const = 0;
  // The commit that added a row. NOT_FOUND.
  virtual absl::StatusOr<CommitHeader> FindCommitOfRow(CollectionId collection, RowId row) const = 0;
  virtual absl::StatusOr<RowRecord> ReadRow(CollectionId collection, RowId row, bool with_vectors) const = 0;
  // In the order asked; all must exist. OUT_OF_RANGE: one was let go by retention.
  virtual absl::StatusOr<std::vector<RowRecord>> ReadRows(CollectionId collection, std::span<const RowId> rows,
                                                          bool with_vectors) const = 0;
  // Calls `visit` for each row of the range in order until it returns an error, which is passed on. Rows that were let go are
  // left out.
  virtual absl::Status ScanRows(CollectionId collection, RowRange range, bool with_vectors,
                                const std::function<absl::Status(RowRecord&&)>& visit) const = 0;
  // The row of a point visible at a version that is readable; nullopt where none is.
  virtual absl::StatusOr<std::optional<RowId>> FindPoint(CollectionId collection, const PointId& id,
                                                         Version at) const = 0;
  // Calls `visit` with each retired row of the range and the version that retired it.
  virtual absl::Status ScanRetired(CollectionId collection, RowRange range,
                                   const std::function<void(RowId, Version)>& visit) const = 0;

  // What of the history can be read; kept in memory.
  virtual absl::StatusOr<RetentionState> GetRetention(CollectionId collection) const = 0;
  // Sets from which version on the collection is readable, and which older ones stay: those of `pinned` and of tags that were
  // readable until now. One durable change, ordered among the commits; what it takes away is refused from then on by who asks
  // GetRetention, and deleted by Purge. Lets go nothing where nothing changes. INVALID_ARGUMENT: a horizon below the one
  // before. OUT_OF_RANGE: above the latest version.
  virtual absl::StatusOr<RetentionState> RaiseHorizon(const HorizonRaise& raise) = 0;
  // Deletes rows that no readable version shows, but those of `held` versions: a bounded step from row `from` on, durable on
  // return. Called with each step's `next` until it is done; what was done stays, and all may be done again.
  virtual absl::StatusOr<PurgeStep> Purge(CollectionId collection, RowId from, std::span<const Version> held) = 0;
  // Says that all steps were done for `state` with nothing held, so that `pending` becomes false unless it has changed since.
  virtual absl::Status EndPurge(CollectionId collection, const RetentionState& state) = 0;
  // How many rows Purge would delete, were `raise` made before.
  virtual absl::StatusOr<uint64_t> CountPurgeable(const HorizonRaise& raise) const = 0;
  virtual absl::StatusOr<PurgedRows> ReadPurged(CollectionId collection) const = 0;

  virtual absl::StatusOr<std::optional<std::string>> GetDocument(CollectionId collection, std::string_view key) const = 0;
  // Keys that start with `prefix`, ascending.
  virtual absl::Status ScanDocuments(CollectionId collection, std::string_view prefix,
                                     const std::function<absl::Status(std::string_view key, std::string_view value)>&
                                         visit) const = 0;
  // Kept once by hash, compressed. NOT_FOUND.
  virtual absl::StatusOr<std::string> GetArtifact(CollectionId collection, std::string_view hash) const = 0;
  virtual absl::Status PutArtifact(CollectionId collection, const Artifact& artifact) = 0;

  // Answers: one JSON record by id within a tenant; durable on return. Newest first in List, at most `limit`.
  virtual absl::Status PutAnswer(std::string_view tenant, std::string_view id, std::string_view record) = 0;
  virtual absl::StatusOr<std::string> GetAnswer(std::string_view tenant, std::string_view id) const = 0;
  virtual absl::StatusOr<std::vector<std::string>> ListAnswers(std::string_view tenant, size_t limit) const = 0;
  // Calls `visit` with each record, newest first, until it returns false.
  virtual absl::Status ScanAnswers(std::string_view tenant,
                                   const std::function<bool(std::string_view id, std::string_view record)>& visit) const = 0;

  // An incremental backup of the latest durable state into a folder; returns the backup's number. Backups of
  // several days share files. FAILED_PRECONDITION: the folder holds something else. An error of `progress`, which is
  // asked every few MiB, stops the backup and is passed on; the folder then holds the backups it held before.
  virtual absl::StatusOr<uint32_t> Backup(const std::string& backup_dir,
                                          const std::function<absl::Status(double fraction)>& progress) = 0;

  virtual StoreMemory Memory() const = 0;
  // Makes the block cache hold at most so much from now on.
  virtual void SetBlockCacheBytes(size_t bytes) = 0;
  // Begins to write what is in memtables to files, and does not wait for it.
  virtual void FlushMemtables() = 0;

  virtual const std::string& path() const = 0;
};

// 32 lower-case hexadecimal digits of XXH3-128.
std::string ContentHash(std::string_view bytes);

struct BackupInfo {
  uint32_t id = 0;
  int64_t time_us = 0;
  uint64_t size_bytes = 0;
};
absl::StatusOr<std::vector<BackupInfo>> ListBackups(const std::string& backup_dir);
// Checks every file's checksum. DATA_LOSS names the file.
absl::Status VerifyBackup(const std::string& backup_dir, uint32_t id);
// Restores backup `id` (0: the newest) into an empty or missing folder. FAILED_PRECONDITION where it is not empty:
// a running or older store is never overwritten.
absl::Status RestoreBackup(const std::string& backup_dir, uint32_t id, const std::string& target_path);

// What `vouch verify` says of one store, offline.
struct VerifyReport {
  static constexpr uint64_t kKeysBetweenProgress = 4096;
  uint64_t collections = 0;
  uint64_t commits = 0;
  uint64_t rows = 0;
  uint64_t vectors = 0;
  uint64_t artifacts = 0;
  // each names the collection, the thing and the broken invariant; at most 1,000
  std::vector<std::string> problems = {};
};
// Checks every invariant of DESIGN, sections 3 and 4, against the stored bytes: block checksums,
// decoding, dense row and version numbers, headers against rows, retired rows, live counts, points,
// request ids, artifact hashes, vector sizes and finiteness. An error only where the store cannot
// be read at all. `progress` hears the counts so far, once every kKeysBetweenProgress keys.
using VerifyProgress = std::function<void(const VerifyReport& so_far)>;
absl::StatusOr<VerifyReport> VerifyStore(const StoreOptions& options,
                                         const VerifyProgress& progress = nullptr);

}  // namespace vouch
