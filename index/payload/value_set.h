#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "index/payload/geo_area.h"
#include "index/payload/numeric_range.h"

namespace vouch {

// Texts from `low` on and below `high`; no `high`: all from `low` on.
struct TextRange {
  std::string low;
  std::optional<std::string> high;

  friend bool operator==(const TextRange&, const TextRange&) = default;
};

// Closed ranges of integers (integer, datetime, bool as 0 and 1), closed ranges of finite floats, ranges of texts, or
// what lies within any of some shapes.
//
// Invariant: ranges ascend and neither overlap nor touch, so that equal sets are equal values: -0.0 is 0.0, and two
// neighbouring numbers are one range. Shapes ascend and differ; the whole earth stands alone.
using IntegerSet = std::vector<NumericRange<int64_t>>;
using FloatSet = std::vector<NumericRange<double>>;
using TextSet = std::vector<TextRange>;
using GeoSet = std::vector<GeoShape>;

// The values that meet a condition on one field; of one of the types, as the field's is.
using ValueSet = std::variant<IntegerSet, FloatSet, TextSet, GeoSet>;

// Brings any ranges, empty ones too, into the form of the invariant.
void Normalize(IntegerSet& set);
void Normalize(FloatSet& set);
void Normalize(TextSet& set);
void Normalize(GeoSet& set);

void Normalize(ValueSet& set);

// Adds the ranges of `other`, which is of the same type; the set is then to be normalized.
void Append(ValueSet& set, const ValueSet& other);
bool IsEmpty(const ValueSet& set);
// Whether every value of the type is in the set.
bool IsEverything(const ValueSet& set);
// A total order, for canonical forms.
std::strong_ordering Compare(const ValueSet& a, const ValueSet& b);

}  // namespace vouch
