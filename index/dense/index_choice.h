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

// The kind that the schema says, or what kAuto picks for so many vectors; kFlat where there are none. Under
// `short_of_memory` kAuto takes product codes for a graph, unless a recall target is too high for them.
IndexChoice ChooseKind(const DenseField& field, uint64_t nodes, bool short_of_memory = false);

// About what the kind keeps in memory for so many vectors of the field, beside the vectors.
uint64_t BytesOfKind(const DenseField& field, DenseIndexKind kind, uint64_t nodes);

}  // namespace vouch
