#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/collection_directory.h"
#include "storage/commit.h"
#include "storage/ids.h"

namespace vouch {

class Rocks;

// Reads of commit headers. Thread safe: headers do not change. `latest` is the collection's latest version.
class CommitTable {
 public:
  explicit CommitTable(const Rocks& rocks) : rocks_(rocks) {}

  // NOT_FOUND for version 0 and past the latest.
  absl::StatusOr<CommitHeader> Get(const CollectionEntry& entry, Version latest, Version version) const;
  absl::StatusOr<std::vector<CommitHeader>> List(const CollectionEntry& entry, Version latest, Version first,
                                                 Version last, size_t limit) const;
  // Times never go back from one version to the next, so this is a binary search.
  absl::StatusOr<Version> FindVersionAt(const CollectionEntry& entry, Version latest, int64_t time_us) const;
  // The commit that a request id made, where it is not after `latest`.
  absl::StatusOr<std::optional<CommitHeader>> FindRequest(const CollectionEntry& entry, Version latest,
                                                          std::string_view request_id) const;
  // The commit that added the row: a binary search, since rows ascend with versions. NOT_FOUND.
  absl::StatusOr<CommitHeader> FindCommitOfRow(const CollectionEntry& entry, Version latest, RowId row) const;

  // What the last stored header says, for recovery: checked against the last stored row. DATA_LOSS.
  absl::StatusOr<CollectionTip> RecoverTip(const CollectionEntry& entry) const;

 private:
  const Rocks& rocks_;
};

}  // namespace vouch
