#pragma once

#include <cstdint>
#include <optional>

#include "index/payload/filter.h"

namespace vouch {

// The numbers that meet a comparison with a literal, as a closed range of the column's own type;
// nullopt: none does. Exact at any size: 2^53 + 1 in an integer column differs from the float 2^53.
template <typename T>
struct NumericRange {
  T low;
  T high;
  bool Contains(T value) const { return low <= value && value <= high; }
};

// `op` is one of kEq, kLt, kLe, kGt, kGe; `literal` an integer or a float. NaN meets nothing.
std::optional<NumericRange<int64_t>> IntegersMeeting(FilterOp op, const FilterValue& literal);
std::optional<NumericRange<double>> FloatsMeeting(FilterOp op, const FilterValue& literal);

}  // namespace vouch
