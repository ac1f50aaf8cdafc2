#pragma once

#include "storage/ids.h"

namespace vouch {

// A row and its score; higher is better for every metric (L2 scores are the negated squared distance).
struct Hit {
  RowId row = {};
  float score = 0;

  // The total order of all results: score descending, then row ascending.
  friend bool operator<(const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  }
  friend bool operator==(const Hit&, const Hit&) = default;
};

}  // namespace vouch
