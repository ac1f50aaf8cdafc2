#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/index_schema.h"
#include "index/segment.h"
#include "storage/commit.h"
#include "storage/ids.h"
#include "storage/purged_rows.h"

namespace vouch {

// Rows of a range in order, those that were let go left out.
using ScanRows =
    std::function<absl::Status(RowRange range, const std::function<absl::Status(RowRecord&&)>& visit)>;

// Appends unsealed segments of the rows of `range` to `segments`, made from the store. In the place of a row that was let go
// stands one that has nothing: no id, vector, text or payload, so that it costs some bytes and is found by nothing. DATA_LOSS
// where a row is missing that is not among `purged`; where that is null, the source is believed. Rows that do not fit the schema have no text and no payload here, and are
// counted in `refused`.
absl::Status LoadRows(const IndexSchema& schema, const ScanRows& scan, RowRange range, const PurgedRows* purged,
                      std::vector<SegmentPtr>& segments, uint64_t& refused);

// The same as one segment, believing the source.
absl::StatusOr<SegmentPtr> LoadSegment(const IndexSchema& schema, const ScanRows& scan, RowRange range);

// Rows of the segment that were let go and are still in it.
uint64_t CountUndropped(const Segment& segment, const PurgedRows& purged);

}  // namespace vouch
