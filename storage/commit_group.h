#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/collection_directory.h"
#include "storage/commit.h"
#include "storage/prepared_commit.h"
#include "storage/row_codec.h"

namespace rocksdb {
class WriteBatch;
}

namespace vouch {

class Rocks;

// One call of Commit on its way through the group.
struct PendingCommit {
  CommitRequest request;
  std::shared_ptr<const CollectionEntry> entry;
  PreparedCommit prepared;
  absl::StatusOr<CommitResult> result = absl::UnknownError("not committed");
  // Made a version in this group; it is told to the listener once the group is durable.
  bool is_new = false;
  // The result holds only if the group becomes durable.
  bool needs_group = false;
};

// Orders the commits of one group and makes one write batch of them: gives versions and rows, resolves ids and request
// ids against the store and against the commits before them in the group.
//
// Thread compatible; used by the one writer. Build changes nothing but `batch` and the pending commits; PublishTips,
// after the batch is durable, moves the directory on.
class CommitGroup {
 public:
  CommitGroup(const Rocks& rocks, CollectionDirectory& directory)
      : rocks_(rocks), directory_(directory) {}

  // Sets `result` of each. An error is one of the store's, and holds for all.
  absl::Status Build(std::span<PendingCommit* const> commits, rocksdb::WriteBatch& batch);
  void PublishTips();
  // ABORTED: the schema is not the one that the commit was made for.
  static absl::Status CheckSchema(const CommitRequest& request, const CollectionEntry& entry);

 private:
  struct Tip {
    CollectionTip tip;
    std::optional<CommitHeader> last;  // made in this group
    std::optional<std::string> fence;  // the value of kFenceDocument, before the next commit
  };

  absl::Status LookUp(std::span<PendingCommit* const> commits);
  absl::Status BuildOne(PendingCommit& commit, rocksdb::WriteBatch& batch);
  absl::Status Replay(PendingCommit& commit, Version version);
  absl::Status ReturnLatest(PendingCommit& commit, const Tip& tip);
  // The first condition that does not hold, or OK.
  absl::Status CheckConditions(const PendingCommit& commit) const;
  // FAILED_PRECONDITION: the collection is fenced, and the commit does not change that.
  static absl::Status CheckFence(const PendingCommit& commit, const Tip& tip);
  void AddRows(PendingCommit& commit, CommitHeader& header, rocksdb::WriteBatch& batch);
  void AddDeletes(PendingCommit& commit, CommitHeader& header, rocksdb::WriteBatch& batch);
  absl::StatusOr<Tip*> FindTip(const PendingCommit& commit);

  const Rocks& rocks_;
  CollectionDirectory& directory_;
  // What the store has under the keys that the group asks for, and what the group has written over it. The views are of
  // the pending commits' strings.
  absl::flat_hash_map<std::string_view, PointState> points_;
  absl::flat_hash_map<std::string_view, Version> requests_;
  absl::flat_hash_map<CollectionId, Tip> tips_;
  // Headers made in this group, for replays inside it.
  absl::flat_hash_map<std::string_view, const PendingCommit*> made_by_request_;
};

}  // namespace vouch
