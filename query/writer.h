#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/collection.h"
#include "storage/commit.h"
#include "storage/schema.h"

namespace vouch {

struct WriteLimits {
  static constexpr size_t kMaxAccessEntries = 256;  // of one row
  static constexpr size_t kMaxAccessBytes = 256;    // of one entry
  static constexpr size_t kMaxPayloadDepth = 64;    // objects and arrays inside one another
};

// Checks points and makes them rows: fields in the schema's order, vectors under cosine of length 1
// (computed in double, then rounded to float). Thread safe; borrows the schema.
class Writer {
 public:
  explicit Writer(const CollectionSchema& schema) : schema_(schema) {}

  // What is wrong with one point alone, its payload's types included. INVALID_ARGUMENT names the
  // point, the field, the value or position and the limit.
  absl::Status Check(const PointInput& point) const;

  // What is wrong with a change by itself, with `label` before it.
  absl::Status CheckChange(const PointChange& change, const std::string& label) const;
  // The row with the change made, after CheckChange: what the change does not name stays bit by bit.
  // INVALID_ARGUMENT names the point: the payload that comes of it is over a limit.
  absl::StatusOr<RowInput> ChangeRow(RowRecord record, const PointChange& change) const;

  // Consumes the request. The first mistake, as "point 'a' (upserts[3]): …"; beyond Check: an id
  // twice in the request, the commit's limits and its request id. Payload types are left to
  // CollectionIndex::Prepare, which reads them anyway.
  absl::StatusOr<CommitRequest> MakeCommit(CollectionId collection, int64_t time_us,
                                           WriteRequest request) const;

 private:
  absl::Status CheckParts(const PointInput& point, const std::string& label) const;
  RowInput MakeRow(PointInput point) const;

  const CollectionSchema& schema_;
};

}  // namespace vouch
