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
  // Of a geo field; values are floats in degrees.
  kWithinRadius,                   // path; latitude, longitude, distance in metres
  kWithinBox,                      // path; south, west, north, east
  kWithinPolygon,                  // path; latitude, longitude of each point
  // Of a text field; path and a text in values[0]
  kMatch, kMatchAny, kMatchPhrase, // all of its words, any of them, all one after the other in one text
};

inline bool IsWithin(FilterOp op) {
  return op == FilterOp::kWithinRadius || op == FilterOp::kWithinBox || op == FilterOp::kWithinPolygon;
}
inline bool IsMatch(FilterOp op) {
  return op == FilterOp::kMatch || op == FilterOp::kMatchAny || op == FilterOp::kMatchPhrase;
}

struct FilterLimits {
  static constexpr size_t kMaxDepth = 32;        // nested nodes, a lone condition being 1
  static constexpr size_t kMaxValues = 10'000;   // conditions in all, and likewise literals
};

// Where a condition stands in the expression that it was parsed from, for errors that only a schema
// can find.
struct FilterOrigin {
  std::shared_ptr<const std::string> text = {};  // null: from no expression
  uint32_t path = 0;                             // byte offsets into it
  std::vector<uint32_t> values = {};             // as Filter::values

  // No part of what a filter means.
  friend bool operator==(const FilterOrigin&, const FilterOrigin&) { return true; }
};

// A condition on payload. Semantics, the same at every planner choice:
// - A comparison is true where the row has a value at the path that meets it; an array where any
// element does, arrays of
//   objects and of arrays included (payload_path.h). A row without a value (absent or null) meets
//   no comparison; so kNe is "has a value, and none equals", and kNot(kEq) also takes rows without
//   a value.
// - Integers and floats compare by mathematical value. Types are never mixed otherwise: 42 is no
// text, '42' no number, and
//   a literal of another type than its field's is an error, not a comparison that is never met.
// - Points and texts are neither equal to anything nor in any order: a geo field takes kWithin… (geo_area.h says what lies
//   within), a text field kMatch… (words as text_words.h makes them; those of a phrase stand side by side in one text, but
//   for stop words), and both kExists.
struct Filter {
  FilterOp op = FilterOp::kAnd;
  std::string path = {};
  std::vector<FilterValue> values = {};
  std::vector<Filter> children = {};
  FilterOrigin origin = {};

  friend bool operator==(const Filter&, const Filter&) = default;
};

}  // namespace vouch
