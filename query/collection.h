#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/collection_index.h"
#include "query/diff.h"
#include "query/maintenance.h"
#include "query/search.h"
#include "query/why_not.h"
#include "query/write_request.h"
#include "storage/catalog.h"
#include "storage/store.h"

namespace vouch {

struct CollectionStats {
  Version version = {};
  uint64_t points = 0;  // live
  uint64_t rows = 0;    // ever
  IndexStatus index = {};
};

// One collection: what the layers above use. Thread safe.
class Collection {
 public:
  virtual ~Collection() = default;

  // As it is now; what was returned before an alteration stays valid as long as the collection.
  virtual const CollectionInfo& info() const = 0;
  const CollectionSchema& schema() const { return info().schema; }

  // Validates (dimension, finite, zero under cosine, sparse weights, tokens, known fields, payload types,
  // UTF-8, sizes, duplicate ids), normalises and commits. All or nothing: the error names the point
  // and what is wrong with it. Durable and visible on return. A write that changes nothing and has
  // no request id commits nothing.
  virtual absl::StatusOr<WriteResult> Write(WriteRequest request) = 0;
  // Changes parts of points; the rest of each stays as it is, bit by bit, its history too. All or
  // nothing, as Write. NOT_FOUND names an id that is not there; ABORTED: other writes changed the
  // points again and again meanwhile.
  virtual absl::StatusOr<WriteResult> Update(UpdateRequest request) = 0;
  // Retires all points that the selection matches, in one commit.
  virtual absl::StatusOr<WriteResult> DeleteByFilter(DeleteByFilterRequest request) = 0;
  // Makes the points of a version those of a new, latest one, by one commit: rows that are gone are
  // added anew, bit by bit, others retired. Nothing of the history goes. A commit's limits hold.
  virtual absl::StatusOr<WriteResult> Restore(RestoreRequest request) = 0;
  // What changed between two versions.
  virtual absl::StatusOr<DiffResponse> Diff(const DiffRequest& request) const = 0;
  // One status a point: what Write would say of each alone; for callers that want to skip the bad ones.
  virtual std::vector<absl::Status> Check(std::span<const PointInput> points) const = 0;

  virtual absl::StatusOr<SearchResponse> Search(const SearchRequest& request) const = 0;
  // Several searches over one snapshot, in the order asked; equal filters become rows once. All
  // requests have one principal, read one version (that of the first one's `at`) and have no
  // cursor: INVALID_ARGUMENT else, and for more than kMaxBatch. An error of any request, with its
  // place before it, is the error of all: the first one's. They run on the caller's thread and helpers
  // of the database (DatabaseOptions::batch_threads), which changes nothing but the time.
  static constexpr size_t kMaxBatch = 100;
  virtual absl::StatusOr<std::vector<SearchResponse>> SearchBatch(
      std::span<const SearchRequest> requests) const = 0;
  // Why a point is no hit of a request, or which one it is. NOT_FOUND: the principal sees no such
  // point at the version.
  virtual absl::StatusOr<WhyNotResponse> WhyNot(const SearchRequest& request,
                                                const PointId& id) const = 0;
  // In the order asked; nullopt where no such point is visible.
  virtual absl::StatusOr<std::vector<std::optional<PointHit>>> Get(std::span<const PointId> ids, const ReadAt& at,
                                                                   const Projection& projection,
                                                                   const Principal& principal) const = 0;
  virtual absl::StatusOr<uint64_t> Count(const std::optional<Filter>& filter, const ReadAt& at,
                                         const Principal& principal) const = 0;

  // OUT_OF_RANGE: a version not yet committed, or let go by retention. NOT_FOUND: unknown tag, with those there are.
  virtual absl::StatusOr<Version> Resolve(const ReadAt& at) const = 0;
  virtual absl::StatusOr<std::vector<CommitHeader>> Versions(Version first, Version last, size_t limit) const = 0;
  virtual absl::StatusOr<Tag> CreateTag(std::string_view name, const ReadAt& at) = 0;
  virtual absl::StatusOr<std::vector<Tag>> ListTags() const = 0;
  virtual absl::Status DeleteTag(std::string_view name) = 0;

  // What of the history can be read.
  virtual absl::StatusOr<RetentionState> Retention() const = 0;
  // Lets go the versions before a horizon: they cannot be read any more, and the rows that only they showed are deleted, in steps
  // that are durable one by one, so that a call that was ended goes on where it is made again. Rows that a running read needs go
  // with a later call. OUT_OF_RANGE: the horizon is above the latest version.
  virtual absl::StatusOr<LetGoResult> LetGo(const LetGoRequest& request) = 0;
  // How many rows LetGo would delete.
  virtual absl::StatusOr<uint64_t> CountLetGo(const LetGoRequest& request) const = 0;
  // Retires the points that the schema's ttl says have expired at `now_us`, by commits whose actor is `ttl`; returns how many.
  virtual absl::StatusOr<uint64_t> Expire(int64_t now_us, const CancelToken& cancel) = 0;
  // Alters the schema: a version of its own. Reads and writes go on meanwhile; where indexes have to be built anew, the old ones
  // serve until the new ones are ready. Errors as ApplySchemaChange's, and RESOURCE_EXHAUSTED: no memory for both at a time.
  virtual absl::StatusOr<AlterReply> Alter(const AlterRequest& request) = 0;

  virtual CollectionStats Stats() const = 0;
  virtual absl::Status Optimize(const CancelToken& cancel, const std::function<void(double)>& progress) = 0;
  virtual absl::Status WaitIdle(const CancelToken& cancel) = 0;

  // For rag: documents, artifacts and settings of this collection, and rows in order.
  virtual Store& store() = 0;
  CollectionId id() const { return info().id; }
};

}  // namespace vouch
