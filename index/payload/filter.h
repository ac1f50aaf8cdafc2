#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace vouch {

// A literal in a filter. Datetimes come as RFC 3339 strings and are typed by the field they meet.
using FilterValue = std::variant<bool, int64_t, double, std::string>;

enum class FilterOp : uint8_t {
  kAnd, kOr, kNot,                 // over children; kNot has one; kAnd of none is true, kOr of none false
  kEq, kNe, kLt, kLe, kGt, kGe,    // path and values[0]
  kIn,                             // path and any number of values
  kExists,                         // path: the row has a non-null value there
  kHasId,                          // ids as text (PointId::ToString) in values: the point's id is one of them
};

struct FilterLimits {
  static constexpr size_t kMaxDepth = 32;        // nested nodes, a lone condition being 1
  static constexpr size_t kMaxValues = 10'000;   // conditions in all, and likewise literals
};

// A condition on payload. Semantics, the same at every planner choice:
// - A comparison is true where the row has a value at the path that meets it; an array where any element does. A row
//   without a value (absent or null) meets no comparison; so kNe is "has a value, and none equals", and
//   kNot(kEq) also takes rows without a value.
// - Integers and floats compare by mathematical value.
struct Filter {
  FilterOp op = FilterOp::kAnd;
  std::string path = {};
  std::vector<FilterValue> values = {};
  std::vector<Filter> children = {};

  friend bool operator==(const Filter&, const Filter&) = default;
};

}  // namespace vouch
