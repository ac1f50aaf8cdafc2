#pragma once

#include "absl/status/statusor.h"
#include "storage/commit.h"

namespace vouch {

// Hears of each commit after it is durable, on the log's writer thread, in version order for each collection,
// before Commit returns to its caller: when Commit has returned, the commit is visible to searches.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void OnCommit(const CommitRequest& request, const CommitHeader& header) = 0;
};

// Orders commits and makes them durable. Local now; a replicated log later takes this place (DESIGN, section 10).
class CommitLog {
 public:
  virtual ~CommitLog() = default;

  // Thread safe; concurrent calls share one sync (group commit). Returns after the commit is durable and applied.
  // NOT_FOUND: no such collection. INVALID_ARGUMENT: over a limit, or an id twice. ABORTED: expected_version.
  // UNAVAILABLE: an earlier write failed (disk full, I/O error); the store only reads until it is opened anew.
  virtual absl::StatusOr<CommitResult> Commit(CommitRequest request) = 0;
};

}  // namespace vouch
