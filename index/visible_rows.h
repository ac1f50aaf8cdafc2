#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "index/bitmap.h"
#include "index/retired_rows.h"
#include "storage/ids.h"

namespace vouch {

// The rows of a segment that are not retired at a version.
struct VisibleRows {
  std::shared_ptr<const Bitmap> rows;  // null: all
  uint64_t count = 0;
};

// Keeps the visible rows of one segment as they were asked for last, so that a search does not make them anew while nothing
// in the segment is retired. Thread safe.
//
// Invariant: what At answers is what ClearRetired makes for that version. What is kept was made for version c; it holds at v
// as well where no row of the range was retired after the earlier of the two.
class VisibleRowsCache {
 public:
  VisibleRows At(const RetiredRows& retired, RowRange range, Version at);
  size_t memory_bytes() const;

 private:
  mutable std::mutex mu_;
  bool filled_ = false;  // guarded by mu_, as is all below
  Version made_for_;
  VisibleRows visible_;
};

}  // namespace vouch
