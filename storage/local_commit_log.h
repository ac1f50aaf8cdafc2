#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/collection_directory.h"
#include "storage/commit_group.h"
#include "storage/commit_log.h"

namespace vouch {

class Rocks;

// The commit log of one machine: RocksDB's write-ahead log, shared by group commit over all collections.
//
// Thread safety: all methods are thread safe.
//
// Invariants:
// 1. One thread at a time is the writer: the one whose call stands at the head of the queue. It takes what stands behind
//    it along, up to kMaxGroupCommits and kMaxGroupBytes, so that all share one sync; the next group gathers meanwhile.
// 2. Readers and the listener see a commit only after it is durable, and in version order: one thread at a time applies,
//    in the order in which the groups were written. It is no longer the writer then, so that the next group is written
//    and synced while this one is applied.
// 3. No lock is held while a thread reads, writes, syncs or calls the listener.
// 4. Exclusive work runs while nobody writes or applies.
class LocalCommitLog : public CommitLog {
 public:
  static constexpr size_t kMaxGroupCommits = 64;
  static constexpr size_t kMaxGroupBytes = size_t{8} << 20;

  // Both must outlive the log.
  LocalCommitLog(Rocks& rocks, CollectionDirectory& directory)
      : rocks_(rocks), directory_(directory) {}

  absl::StatusOr<CommitResult> Commit(CommitRequest request) override;
  CommitLogStats Stats() const override;
  // Runs `work` as the only writer: no commit is under way in it. For changes of the catalog.
  absl::Status RunExclusive(const std::function<absl::Status()>& work);
  // In exclusive work: tells the listener of a commit that the work has made durable.
  void TellListener(const DurableCommit& commit);
  // Null removes it. Not while commits are under way.
  void SetListener(CommitListener* listener);

 private:
  struct Waiter {
    PendingCommit* commit = nullptr;                         // or
    const std::function<absl::Status()>* exclusive = nullptr;
    absl::Status exclusive_status;
    bool done = false;
    std::condition_variable turn;  // signalled when done, or when it may become the writer
  };

  void Run(Waiter& waiter);
  // What the head of the queue takes along, itself first.
  std::vector<Waiter*> TakeGroup();  // holding mu_
  // True where something was written.
  bool WriteGroup(std::span<Waiter* const> group);
  static void Apply(std::span<Waiter* const> group, CommitListener& listener);

  Rocks& rocks_;
  CollectionDirectory& directory_;
  mutable std::mutex mu_;
  std::condition_variable applied_more_;
  // --- guarded by mu_
  std::deque<Waiter*> queue_;
  bool writing_ = false;
  uint64_t groups_written_ = 0;
  uint64_t groups_applied_ = 0;
  CommitLogStats stats_;
  CommitListener* listener_ = nullptr;
};

}  // namespace vouch
