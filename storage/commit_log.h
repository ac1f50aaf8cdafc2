#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "storage/commit.h"

namespace vouch {

// A commit that is durable. Neither is null.
struct DurableCommit {
  const CommitRequest* request = nullptr;
  const CommitHeader* header = nullptr;
};

// Hears of each commit after it is durable, one call at a time, in version order for each collection, before Commit
// returns to its caller: when Commit has returned, the commit is visible to searches. Commits that shared a sync come
// in one call, so that what is published after each change need be published once.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void OnCommits(std::span<const DurableCommit> commits) = 0;
};

// Since the log was opened; commits / syncs is the mean size of a group.
struct CommitLogStats {
  uint64_t commits = 0;
  uint64_t syncs = 0;
};

// In the status of a condition that does not hold, where the point is there: its row, in decimals.
inline constexpr char kFoundRowPayload[] = "vouch/found_row";

// Orders commits and makes them durable. Local now; a replicated log later takes this place (DESIGN, section 10).
class CommitLog {
 public:
  virtual ~CommitLog() = default;

  // Thread safe; concurrent calls share one sync (group commit). Returns after the commit is durable and applied.
  // NOT_FOUND: no such collection. INVALID_ARGUMENT: over a limit, or an id twice. ABORTED: expected_version.
  // FAILED_PRECONDITION or ABORTED: a condition does not hold.
  // UNAVAILABLE: an earlier write failed (disk full, I/O error); the store only reads until it is opened anew.
  virtual absl::StatusOr<CommitResult> Commit(CommitRequest request) = 0;
  virtual CommitLogStats Stats() const = 0;
};

}  // namespace vouch
