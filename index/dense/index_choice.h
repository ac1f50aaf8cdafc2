#pragma once

#include <cstdint>
#include <string>

#include "storage/schema.h"

namespace vouch {

// What is built for a field in one segment, and why.
struct IndexChoice {
  DenseIndexKind kind = DenseIndexKind::kFlat;  // never kAuto
  std::string why = {};                         // for people: "12 rows are compared faster than an index is walked"
};

// The kind that the schema says, or what kAuto picks for so many vectors; kFlat where there are none. Depends on nothing
// but its arguments, so that a reader of a segment file knows what is in it.
IndexChoice ChooseKind(const DenseField& field, uint64_t nodes);

}  // namespace vouch
