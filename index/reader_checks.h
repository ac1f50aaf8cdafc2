#pragma once

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/index_reader.h"
#include "index/segment_set.h"

namespace vouch {

// What IndexReader's methods check first: INVALID_ARGUMENT, NOT_FOUND.
inline absl::Status CheckMask(const SegmentSet& set, const RowMask& mask) {
  if (mask.segments.size() == set.segments.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the row mask has ", mask.segments.size(), " segments and the reader ",
                                                 set.segments.size(), ": it was made by another reader"));
}

inline absl::Status CheckRowAt(RowId row, uint64_t rows_at) {
  if (row.value < rows_at) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("row ", row.value, " is not below ", rows_at, ", the rows at this version"));
}

}  // namespace vouch
