#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "index/payload/filter.h"
#include "index/payload/value_set.h"
#include "storage/schema.h"

namespace vouch {

// A filter in its canonical form, against one schema. Filters that are made equal by these rules have equal forms, and so
// equal plans and results: order, nesting and repetition of the children of `and` and `or`; `not` anywhere (De Morgan,
// double negation); order and repetition in lists; literals of another type but the same value; conditions on one field
// joined by `or` (one set of values), and those of `not` joined by `and`; constants; a condition and its negation together.
//
// Invariants:
// 1. `not` stands only at leaves.
// 2. A child of `and` is no `and`, and likewise `or`; both have two children at least, ascending and distinct.
// 3. The set of a field leaf is not empty; where it is everything, the leaf asks for any value at all.
struct CompiledFilter {
  enum class Kind : uint8_t { kAll, kNone, kAnd, kOr, kField, kPhrase, kIds };

  Kind kind = Kind::kAll;
  bool negated = false;                     // kField, kPhrase, kIds: rows that do not meet the leaf
  int field = -1;                           // kField, kPhrase: ordinal in the schema
  ValueSet values = {};                     // kField: a row meets it by any value in the set
  std::vector<std::string> phrase = {};     // kPhrase: two words or more, one after the other
  std::vector<FilterValue> ids = {};        // kIds: texts, ascending and distinct
  std::vector<CompiledFilter> children = {};  // kAnd, kOr

  // The filter must be validated; a field that the schema has not is met by no row.
  static CompiledFilter Compile(const Filter& filter, const CollectionSchema& schema);
};

// A total order; equal means the same form.
std::strong_ordering Compare(const CompiledFilter& a, const CompiledFilter& b);

}  // namespace vouch
