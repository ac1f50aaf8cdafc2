#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/payload/column.h"

namespace vouch {

// A row's place in an order by one payload field: rows with a value before those without, by value
// ascending or descending, then by row ascending. Of several values the least counts where values
// ascend, the greatest where they descend.
struct OrderKey {
  std::optional<PayloadValue> value;
  uint64_t row = 0;
};
bool ComesBefore(const OrderKey& a, const OrderKey& b, bool descending);

// The key of a row of a column whose first row is `first_row`.
OrderKey OrderKeyOf(const Column& column, uint32_t row, uint64_t first_row, bool descending);

struct ColumnOrder {
  bool descending = false;
  const Bitmap* allowed = nullptr;  // null: all rows
  uint64_t first_row = 0;           // of the column
  const OrderKey* after = nullptr;  // only rows after it; null: all
  size_t limit = 0;
};

// The first `limit` rows of the order, in any order of their own. Decodes the values of these
// alone; looks at each allowed row once.
absl::StatusOr<std::vector<OrderKey>> FirstInOrder(const Column& column, const ColumnOrder& order,
                                                   const CancelToken& cancel);

}  // namespace vouch
