#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/dense/dense_column.h"
#include "index/dense/graph.h"
#include "index/hit.h"

namespace vouch {

// The k best hits pushed, in any order of pushing: ties fall by the total order of Hit.
class TopHits {
 public:
  explicit TopHits(size_t k) : k_(k) {}

  bool full() const { return hits_.size() == k_; }
  // Whether a hit of this score may still be among the best.
  bool Wants(float score) const { return hits_.size() < k_ || (k_ > 0 && score >= hits_.front().score); }
  void Push(const Hit& hit);
  std::vector<Hit> TakeSorted();

 private:
  size_t k_;
  std::vector<Hit> hits_;  // a heap with the worst in front
};

// One segment's part of a dense search.
struct DenseSegmentSearch {
  const DenseColumn* column = nullptr;
  const Graph* graph = nullptr;     // null: exact only
  const Bitmap* allowed = nullptr;  // by row of the segment; null: all rows
  uint64_t allowed_count = 0;       // rows set in `allowed`
  RowId first_row;
  size_t k = 0;
  size_t ef = 0;
  bool exact = false;
};

struct DenseSegmentStats {
  bool exact = false;  // all allowed rows were scored
  bool codes = false;  // all allowed rows were compared by code, the best of them scored
  size_t ef = 0;       // of the walk, where one was done
  uint64_t distances = 0;
};

// Pushes the segment's best rows. `query` has the column's dim and is normalised under cosine.
//
// Exact without a graph, on request, and for few allowed rows. Else by code, and the best Rescored(k) of those are scored
// exactly: by comparing all allowed rows where that is cheaper than a walk, by a walk among all rows where all are
// allowed, else by one among the allowed rows. A walk that finds fewer than min(k, allowed) rows is done again exactly.
// The store's error where vectors of a damaged file cannot be read from there either: hits may have been pushed that are
// wrong.
absl::Status SearchDenseSegment(const DenseSegmentSearch& search, const float* query, const CancelToken& cancel,
                                TopHits& top, DenseSegmentStats& stats);

}  // namespace vouch
