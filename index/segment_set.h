#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "index/index_schema.h"
#include "index/retired_rows.h"
#include "index/segment.h"
#include "storage/ids.h"

namespace vouch {

class SegmentOffload;

// All segments of a collection at one moment: what a reader holds. Immutable after publishing; segments that a newer
// set has merged away stay alive as long as a reader holds an older set.
//
// Invariants:
// 1. Segments are in row order and adjacent: together they are rows [0, rows).
// 2. Every retirement at or before `latest` was stored in `retired` before the set was published.
// 3. Sealed segments come before unsealed ones, except where a damaged file left a gap.
class SegmentSet {
 public:
  std::shared_ptr<const IndexSchema> schema;
  std::shared_ptr<const RetiredRows> retired;
  std::vector<SegmentPtr> segments;
  std::shared_ptr<SegmentOffload> offload;  // where sealed ones may also be searched; null: nowhere
  Version latest;
  uint64_t rows = 0;

  // The ordinal of the segment that holds the row; the row must be below `rows`.
  size_t FindSegment(RowId row) const;
};

}  // namespace vouch
