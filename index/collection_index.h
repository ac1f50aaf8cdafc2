#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "index/job_pool.h"
#include "index/memory_account.h"
#include "index/memory_budget.h"
#include "index/row_source.h"
#include "storage/commit_log.h"
#include "storage/filesystem.h"
#include "storage/purged_rows.h"
#include "storage/schema.h"

namespace vouch {

struct IndexOptions {
  std::string directory = {};         // where the collection's segment files lie
  Filesystem* filesystem = nullptr;   // not null
  JobPool* job_pool = nullptr;        // not null; builds and merges run there, a build on as many threads as it has
  MemoryBudget* memory = nullptr;     // null: no limit; outlives the index
  // Rows that are scanned before a segment is sealed and built in the background. More: fewer, larger
  // builds, and slower searches of fresh rows.
  uint64_t seal_rows = 10'000;
  // Segments of at most this many rows are merged; larger ones stay as they are.
  uint64_t max_segment_rows = 2'000'000;
  // Hears of damage that was found, in words; on any thread, and not twice of the same. May be empty.
  std::function<void(const std::string& message)> warn = {};
};

// What a dense field is searched by in a sealed segment.
struct DenseIndexInfo {
  std::string field = {};
  DenseIndexKind kind = DenseIndexKind::kFlat;  // never kAuto
  std::string why = {};       // for people
  uint64_t vectors = 0;
  // Where the field has a recall target: the beam that a search of 10 hits without filter takes, and the recall that was
  // measured for it when the segment was built; 0 else.
  uint32_t ef = 0;
  double recall = 0;
};

struct SegmentInfo {
  RowRange rows = {};
  bool sealed = false;   // false: scanned, not on disk
  uint64_t memory_bytes = 0;  // private
  uint64_t mapped_bytes = 0;  // of its file
  uint64_t file_bytes = 0;
  std::string build_id = {};  // content hash of the index file; names the index in an answer
  std::vector<DenseIndexInfo> dense = {};  // one a dense field, where sealed
};

struct IndexStatus {
  std::vector<SegmentInfo> segments = {};
  MemoryAccount memory = {};   // of all segments, and what they share
  uint64_t files_damaged = 0;  // found missing or damaged since opening, answered exactly, rebuilt
  std::string building = {};   // what the background builds now, empty if nothing
  double build_fraction = 0;
  uint64_t build_rows = 0;           // of that build
  double build_seconds = 0;          // since it began
  double build_seconds_left = -1;    // at the rate so far; -1: not known yet
  std::string last_error = {};  // of the last failed build, empty after a good one
};

// All that can be searched in one collection.
//
// Rows come in by Prepare (any thread) and Apply (one thread at a time, version order). Fresh rows lie in small immutable
// segments, made by Prepare, that are scanned; the background seals them into segments with graphs and files.
// Readers take an IndexReader, which holds one immutable snapshot.
//
// Invariants:
// 1. An index file is a cache. Missing or damaged files are noticed when opened, their rows are read from the RowSource and
//    searched exactly, and they are rebuilt in the background. Vectors, which stay in the file, are checked whenever they
//    are used; damaged ones are read from the RowSource, and the file is written anew.
// 2. What exact search returns at a version depends on that version's rows only, never on how segments lie.
// 3. Apply does no I/O and waits for no build.
class CollectionIndex {
 public:
  // Loads the segment files that fit rows [0, rows), and the other rows from `source`. `retired` gives those known, `purged` those
  // that were let go, which the source leaves out.
  static absl::StatusOr<std::unique_ptr<CollectionIndex>> Open(
      IndexOptions options, const CollectionSchema& schema, const RowSource* source, Version latest, uint64_t rows,
      const std::function<absl::Status(const std::function<void(RowId, Version)>&)>& scan_retired,
      PurgedRows purged = {});
  virtual ~CollectionIndex() = default;

  // Makes the rows' segment: analyses texts, types payloads, copies vectors. The same rows go into the commit,
  // unchanged. INVALID_ARGUMENT names the row's id, the field and what is wrong.
  virtual absl::StatusOr<std::shared_ptr<const PreparedRows>> Prepare(std::span<const RowInput> rows) const = 0;
  // Makes durable commits of this collection visible, all at one moment. What Prepare made may be missing in them (it
  // is then made here).
  virtual void Apply(std::span<const DurableCommit> commits) = 0;
  void Apply(const CommitRequest& request, const CommitHeader& header) {
    const DurableCommit commit{&request, &header};
    Apply(std::span(&commit, 1));
  }

  // Says that the source has these rows no more: no version that is read from now on shows them. They are dropped when their
  // segment is merged or, where they are a large share of it, built anew.
  virtual void Purge(std::span<const RowRange> rows) = 0;

  // Goes by another schema of the same fingerprint: other constants of BM25, another default beam. INVALID_ARGUMENT else.
  virtual absl::Status SetSearchSchema(const CollectionSchema& schema) = 0;

  // The latest snapshot; `at` is the version to be read and `rows_at` its rows_end, `hold` as IndexReader's. Cheap.
  virtual IndexReader Read(Version at, uint64_t rows_at, std::shared_ptr<const void> hold = nullptr) const = 0;
  virtual Version latest() const = 0;

  virtual IndexStatus Status() const = 0;
  // Seals fresh rows in the background although they are few, where they hold at least so many bytes.
  virtual void SealEarly(uint64_t min_bytes) = 0;
  // Seals and merges everything into as few segments as max_segment_rows allows, and waits for it.
  virtual absl::Status Optimize(const CancelToken& cancel, const std::function<void(double fraction)>& progress) = 0;
  // Seals what is due and waits until the background has nothing to do.
  virtual absl::Status WaitIdle(const CancelToken& cancel) = 0;
};

}  // namespace vouch
