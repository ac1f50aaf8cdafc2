#pragma once

#include "storage/ids.h"

namespace vouch {

// A row in the result list of a node. Leaves give floats; fusions are computed in double.
struct RankedRow {
  RowId row;
  double score = 0;

  // The total order of all results: score descending, then row ascending.
  friend bool operator<(const RankedRow& a, const RankedRow& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  }
  friend bool operator==(const RankedRow&, const RankedRow&) = default;
};

}  // namespace vouch
