#pragma once

#include <functional>

#include "absl/status/status.h"
#include "storage/commit.h"
#include "storage/ids.h"

namespace vouch {

// Rows of one collection, in order, as storage gives them; those that were let go are left out. Tests give rows from memory.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual absl::Status ScanRows(RowRange range, const std::function<absl::Status(RowRecord&&)>& visit) const = 0;
};

}  // namespace vouch
