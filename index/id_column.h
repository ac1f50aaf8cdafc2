#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/payload/filter.h"
#include "storage/point_id.h"

namespace vouch {

// The point ids of one segment, flat: u64 offsets[rows + 1], then the encoded ids (PointId::Encode) one after the
// other. A row that was let go and dropped has no bytes. Immutable, thread safe.
class IdColumn {
 public:
  // Null: a dropped row.
  static std::shared_ptr<const IdColumn> Build(std::span<const PointId* const> ids);
  static std::shared_ptr<const IdColumn> Merge(std::span<const IdColumn* const> parts);
  // `bytes` lie in `owner`, at a multiple of 8. DATA_LOSS where they are not the ids of `rows` rows; every id is
  // decoded once here, so that IdOf cannot fail later.
  static absl::StatusOr<std::shared_ptr<const IdColumn>> Parse(std::string_view bytes, uint32_t rows,
                                                               std::shared_ptr<const void> owner);

  uint32_t rows() const { return rows_; }
  uint32_t dropped_rows() const { return dropped_rows_; }
  bool IsDropped(uint32_t row) const { return offsets_[row] == offsets_[row + 1]; }
  PointId IdOf(uint32_t row) const;
  std::string_view EncodedIdOf(uint32_t row) const {
    return {ids_ + offsets_[row], static_cast<size_t>(offsets_[row + 1] - offsets_[row])};
  }
  // Rows whose id is one of `ids`: an integer names a number, a text whatever id has that text form.
  Bitmap Find(std::span<const FilterValue> ids) const;
  std::string_view bytes() const { return bytes_; }

 private:
  IdColumn(std::string_view bytes, uint32_t rows, std::shared_ptr<const void> owner);

  uint32_t rows_ = 0;
  uint32_t dropped_rows_ = 0;
  const uint64_t* offsets_ = nullptr;
  const char* ids_ = nullptr;
  std::string_view bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace vouch
