#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "index/cancel.h"
#include "index/collection_index.h"
#include "index/index_directory.h"
#include "index/row_truth.h"
#include "index/segment_set.h"
#include "storage/purged_rows.h"

namespace vouch {

// Holds the published SegmentSet, and keeps its segments few: small fresh ones are merged as they come, full ones are
// sealed (graphs and a file), sealed neighbours are merged in tiers.
//
// Thread safety: Append is called by one thread at a time; all else by any. At most one background job runs.
//
// Invariants:
// 1. A job works on segments that nobody changes; it publishes by replacing exactly those under `mu_`. Append merges no
//    segment that a job works on (rows below `busy_end_`), so what a job replaces is always still there.
// 2. No I/O, build or large merge happens under `mu_`.
// 3. A file is written before its segment is published, and removed after no published segment needs it. Readers
//    of an older set are not touched by that: what they have mapped stays until they let it go.
// 4. A segment whose file was found damaged is written to another file and replaced; its graphs, which lie in memory, are
//    kept.
// 5. Rows that were let go are dropped by reading the others of their segment from the store: when it is merged, or when they
//    are kPurgedShare of it. What exact search returns at a readable version does not change by that.
// 6. After Shutdown no job of this object runs, and none starts.
class SegmentMaintainer : public std::enable_shared_from_this<SegmentMaintainer> {
 public:
  // `files_damaged` > 0: the rows of `initial` that have no file are sealed again at once.
  SegmentMaintainer(IndexOptions options, std::unique_ptr<IndexDirectory> directory,
                    std::shared_ptr<const SegmentSet> initial, std::shared_ptr<const RowTruth> rows, PurgedRows purged,
                    uint64_t files_damaged);
  // A segment is built anew where at least one in so many of the rows that it holds was let go.
  static constexpr uint64_t kPurgedShare = 4;

  std::shared_ptr<const SegmentSet> Current() const;
  // Publishes commits up to `version`: `fresh` holds their rows, which follow those published.
  void Append(std::vector<SegmentPtr> fresh, Version version);
  void ReportError(const absl::Status& status);
  // A search or merge found that the file is not what was written.
  void ReportDamage(const std::string& file);

  void Purge(std::span<const RowRange> rows);
  // Publishes the same segments with another schema of the same fingerprint.
  void SetSchema(std::shared_ptr<const IndexSchema> schema);
  // Publishes the same segments, which may from here on be searched there, too (index/dense_offload.h).
  void SetOffload(std::shared_ptr<SegmentOffload> offload);

  IndexStatus Status() const;
  void SealEarly(uint64_t min_bytes);
  absl::Status Optimize(const CancelToken& cancel, const std::function<void(double fraction)>& progress);
  absl::Status WaitIdle(const CancelToken& cancel);
  // Builds the segments of these rows anew from the store, and waits for it (index/reread_rows.h).
  absl::Status Reread(std::span<const RowId> rows, const CancelToken& cancel);
  // Starts what is due.
  void Start();
  // Stops a running build within a few hundred rows and waits for it.
  void Shutdown();

 private:
  enum class TaskKind : uint8_t { kSeal, kMerge, kOptimize, kSave, kPurge, kReread };
  struct Task {
    TaskKind kind = TaskKind::kSeal;
    std::vector<SegmentPtr> parts;
    uint64_t rereads = 0;  // calls of Reread before it was picked
    RowRange rows() const { return {parts.front()->rows.begin, parts.back()->rows.end}; }
    std::string Describe() const;
  };

  // --- called with mu_ held
  std::optional<Task> PickTask() const;
  std::optional<Task> PickReread(const std::vector<SegmentPtr>& segments) const;
  std::optional<Task> PickOptimize(const std::vector<SegmentPtr>& segments) const;
  std::optional<Task> PickSeal(const std::vector<SegmentPtr>& segments) const;
  std::optional<Task> PickMergeOfSealed(const std::vector<SegmentPtr>& segments) const;
  std::optional<Task> PickPurge(const std::vector<SegmentPtr>& segments) const;
  bool IsMuchPurged(const Segment& segment) const;
  void ScheduleIfDue();
  void Replace(const std::vector<SegmentPtr>& parts, SegmentPtr whole);
  void PublishSet(std::vector<SegmentPtr> segments, Version latest, uint64_t rows);
  // Tells the budget what the published segments hold.
  void CountMemory();

  // --- called without
  void RunJobs();
  absl::Status RunTask(const Task& task);
  // What building the task's segment may hold at a time, beside what is there already.
  uint64_t BytesToBuild(const Task& task, bool short_of_memory) const;
  absl::StatusOr<Segment> BuildSealed(const Task& task, bool short_of_memory);
  // The task's parts: those to be read anew and those with much that was let go as the store has them now. The first one stays
  // where its graphs are to grow and little of it went.
  absl::StatusOr<std::vector<SegmentPtr>> LoadParts(const Task& task, bool grows) const;
  std::vector<SegmentPtr> MergeTail(const std::vector<SegmentPtr>& segments, uint64_t busy_end) const;
  absl::Status WaitUntil(const CancelToken& cancel, const std::function<bool()>& done,
                         const std::function<void(double)>& progress);

  const IndexOptions options_;
  const std::unique_ptr<IndexDirectory> directory_;
  const std::shared_ptr<const IndexSchema> schema_;
  const std::shared_ptr<const RowTruth> rows_;
  std::atomic<bool> stopping_{false};
  std::atomic<double> build_fraction_{0};

  mutable std::mutex mu_;
  std::condition_variable changed_;
  // --- guarded by mu_
  std::shared_ptr<const SegmentSet> current_;
  PurgedRows purged_;
  mutable bool purge_due_ = false;  // false: looked at since the last purge, and no segment is to be built anew
  uint64_t busy_end_ = 0;        // rows below it may be a job's
  uint64_t optimize_rows_ = 0;   // rows that Optimize wants merged; 0: none
  // Rows whose content in the store is another one than in the published segments, and the last call of Reread that named them.
  std::map<uint64_t, uint64_t> reread_;
  uint64_t rereads_ = 0;  // calls so far
  uint64_t reseal_rows_ = 0;     // rows below it are sealed whatever their number
  uint64_t retry_rows_ = 0;      // after a failure: no job before this many rows
  uint64_t failures_ = 0;
  bool scheduled_ = false;       // a job is queued or runs
  bool running_ = false;
  std::string building_;
  uint64_t build_rows_ = 0;
  std::chrono::steady_clock::time_point build_began_;
  absl::flat_hash_map<SegmentPtr, uint64_t> counted_;  // private bytes of published segments
  absl::Status last_error_;
  uint64_t files_damaged_ = 0;
};

}  // namespace vouch
