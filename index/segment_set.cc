#include "index/segment_set.h"

#include <algorithm>

namespace vouch {

size_t SegmentSet::FindSegment(RowId row) const {
  const auto after = std::upper_bound(segments.begin(), segments.end(), row,
                                      [](RowId r, const SegmentPtr& segment) { return r < segment->rows.begin; });
  return static_cast<size_t>(after - segments.begin()) - 1;
}

}  // namespace vouch
