#include "index/visible_rows.h"

#include <algorithm>
#include <utility>

namespace vouch {

VisibleRows VisibleRowsCache::At(const RetiredRows& retired, RowRange range, Version at) {
  const Version newest = retired.NewestIn(range);
  if (newest.value == 0) return {.rows = nullptr, .count = range.size()};
  {
    std::lock_guard lock(mu_);
    if (filled_ && (made_for_ == at || newest <= std::min(made_for_, at))) return visible_;
  }
  std::unique_ptr<Bitmap> rows;
  retired.ClearRetired(range, at, rows);
  VisibleRows made{.rows = nullptr, .count = range.size()};
  if (rows != nullptr) {
    made.count = rows->Count();
    made.rows = std::move(rows);
  }
  std::lock_guard lock(mu_);
  // A reader of an old version leaves what readers of the latest use.
  if (!filled_ || made_for_ <= at) {
    filled_ = true;
    made_for_ = at;
    visible_ = made;
  }
  return made;
}

size_t VisibleRowsCache::memory_bytes() const {
  std::lock_guard lock(mu_);
  return sizeof(*this) + (visible_.rows == nullptr ? 0 : visible_.rows->words().size_bytes());
}

}  // namespace vouch
