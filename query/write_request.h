#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "index/payload/filter.h"
#include "storage/commit.h"
#include "storage/schema.h"

namespace vouch {

// A point as a user sends it.
struct PointInput {
  PointId id = {};
  std::vector<std::pair<std::string, std::vector<float>>> vectors = {};  // by field name
  std::vector<std::pair<std::string, SparseVector>> sparse_vectors =
      {};                      // likewise; an empty one is none
  std::vector<std::pair<std::string, MultiVector>> multi_vectors = {};  // likewise; none is empty
  std::string payload = "{}";  // a JSON object
  std::string provenance = {};  // for rag
  std::vector<std::string> access = {};
};

// What must hold of a point when a write is made. Decided where commits are ordered: no other write
// comes between.
struct WriteCondition {
  struct Absent {};
  struct Present {};
  std::optional<PointId> id = {};  // none: each point that the write names
  // Not there; there; last written by the commit of that version; there, seen by the principal, and
  // meeting the filter.
  std::variant<Absent, Present, Version, Filter> must = {};
};

struct WriteRequest {
  std::vector<PointInput> upserts = {};
  std::vector<PointId> deletes = {};
  std::vector<DocumentChange> documents = {};
  std::vector<Artifact> artifacts = {};
  Principal principal = {};
  std::string request_id = {};
  std::optional<Version> expected_version = {};
  // All must hold, else FAILED_PRECONDITION names the first point of which one does not, and the
  // state that it was found in.
  std::vector<WriteCondition> conditions = {};
};

// What changes of a point; all else of it stays.
struct PointChange {
  // JSON merge patch (RFC 7396): an object, whose nulls remove keys. Empty: the payload stays.
  std::string payload_patch = {};
  // Paths of keys that are removed before the patch is applied: dots step into objects.
  std::vector<std::string> remove_keys = {};
  std::vector<std::pair<std::string, std::vector<float>>> vectors = {};
  std::vector<std::pair<std::string, SparseVector>> sparse_vectors = {};
  std::vector<std::pair<std::string, MultiVector>> multi_vectors = {};
  std::vector<std::string> remove_vectors = {};  // dense, sparse or multi-vector fields
  std::optional<std::vector<std::string>> access = {};  // the whole new list

  bool empty() const {
    return payload_patch.empty() && remove_keys.empty() && vectors.empty() &&
           sparse_vectors.empty() && multi_vectors.empty() && remove_vectors.empty() && !access.has_value();
  }
};

// The points that a filter matches at the latest version, as the principal sees them, with guards
// against one that matches more than was thought: FAILED_PRECONDITION says how many it matches.
struct PointSelection {
  Filter filter = {};
  std::optional<uint64_t> expected_count = {};
  uint64_t limit = Limits::kMaxCommitRows;  // 1 … kMaxCommitRows
};

struct PointUpdate {
  PointId id = {};
  PointChange change = {};
};

// Changes parts of points that are there: by id, or one change for all that a selection matches.
struct UpdateRequest {
  std::vector<PointUpdate> updates = {};  // an id may stand once
  std::optional<PointSelection> selection = {};  // exclusive with `updates`
  PointChange change = {};                       // with `selection`
  // Leaves out ids that are not there; otherwise they are NOT_FOUND.
  bool skip_missing = false;
  bool dry_run = false;  // says how many points are meant, and changes nothing
  Principal principal = {};
  std::string request_id = {};
  std::optional<Version> expected_version = {};
  std::vector<WriteCondition> conditions = {};
  CancelToken cancel = {};
};

struct DeleteByFilterRequest {
  PointSelection selection = {};
  bool dry_run = false;
  Principal principal = {};
  std::string request_id = {};
  std::optional<Version> expected_version = {};
  CancelToken cancel = {};
};

struct WriteResult {
  Version version = {};
  uint64_t upserted = 0;   // rows added
  uint64_t retired = 0;    // rows replaced or deleted
  bool replayed = false;   // the request id was known; these are the first reply's figures
  uint64_t matched = 0;    // points that ids or filter of an update or delete by filter meant; replayed: 0
};

// What a restoration is about to change, for who keeps documents beside the points.
struct RestorePlan {
  Version at = {};      // the state that is restored
  Version latest = {};  // the version before the new commit
  std::vector<std::string> provenances = {};  // of all rows that come back or go
};

struct RestoreRequest {
  Version at = {};
  // Changes of documents that go with it into the commit; may be empty.
  std::function<absl::StatusOr<std::vector<DocumentChange>>(const RestorePlan&)> documents = {};
  bool dry_run = false;
  Principal principal = {};
  std::string request_id = {};
  CancelToken cancel = {};
};

}  // namespace vouch
