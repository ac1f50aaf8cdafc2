#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/collection_directory.h"
#include "storage/commit.h"

namespace vouch {

// A commit validated and encoded as far as that goes without knowing its version: done on the caller's thread, so that
// the one writer has little left to do.
struct PreparedCommit {
  struct Row {
    std::string point_key;  // in `points`
    std::string value;      // in `rows`, not yet finished (row_codec.h)
  };
  std::vector<Row> rows;                 // as request.upserts
  std::vector<std::string> delete_keys;  // in `points`, as request.deletes
  std::vector<std::string> condition_keys;  // in `points`, as request.conditions
  std::string request_key;               // in `commits`; empty where the request has no id
  struct Artifact {
    std::string key;
    std::string value;
  };
  std::vector<Artifact> artifacts;  // without repeats
  size_t bytes = 0;                 // about what the commit adds to the store
};

// INVALID_ARGUMENT naming the point and the limit. All checks of a commit that need no look into the store.
absl::StatusOr<PreparedCommit> PrepareCommit(const CommitRequest& request, const CollectionEntry& entry);

// INVALID_ARGUMENT where the hash is not that of the bytes, or the bytes are over the limit.
absl::Status CheckArtifact(const Artifact& artifact);
// A key of `documents`: 1 to kMaxDocumentKeyBytes bytes.
inline constexpr size_t kMaxDocumentKeyBytes = 4096;
absl::Status CheckDocumentKey(std::string_view key);

}  // namespace vouch
