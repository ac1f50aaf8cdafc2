#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/dense/dense_column.h"
#include "index/dense/graph.h"
#include "index/dense/ivf.h"
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

// What the segments of one search share whose codes have the same axes: the query as those codes take it, and the keys of the
// best candidates so far, beyond which no other segment's are worth scoring.
struct DenseCandidates {
  std::optional<CodeAxes> axes;  // none: no segment was searched by code so far
  CodeQuery query;
  std::vector<float> keys;  // a heap with the largest in front
};

// One segment's part of a dense search.
struct DenseSegmentSearch {
  const DenseColumn* column = nullptr;
  const Graph* graph = nullptr;     // null: no walk
  const VectorCodes* codes = nullptr;  // the graph's, or of fresh rows without one; null: exact only
  const Ivf* ivf = nullptr;  // null: none; only where there are no codes
  const Bitmap* allowed = nullptr;  // by row of the segment; null: all rows
  uint64_t allowed_count = 0;       // rows set in `allowed`
  RowId first_row = {};
  size_t k = 0;
  size_t ef = 0;
  // A beam to begin with, where the segment is expected to have few of the best rows; it is `ef` again where the walk shows
  // that it has more. 0: `ef` at once.
  size_t first_ef = 0;
  bool exact = false;
  DenseCandidates* candidates = nullptr;  // null: shared with no segment
  uint32_t held_out = kNoNode;  // a node that walks go around, for measuring them; other plans find it
};

struct DenseSegmentStats {
  bool exact = false;  // all allowed rows were scored
  bool codes = false;  // all allowed rows were compared by code, the best of them scored
  bool cells = false;  // allowed rows of the nearest cells were compared by code, likewise
  bool ivf = false;    // of an inverted file's nearest cells the allowed rows were compared, the best of them scored
  bool device = false;  // another processor did it (index/dense_offload.h); the others say how
  size_t ef = 0;       // of the walk, where one was done, or of the cells
  uint64_t distances = 0;
};

// Nodes among the allowed rows: not every row has a vector.
uint64_t CountAllowedNodes(const DenseSegmentSearch& search);
// Not exact, so few allowed nodes are all compared, whatever index there is.
uint64_t FewNodes(size_t k);

// Pushes the segment's best rows. `query` has the column's dim and is normalised under cosine.
//
// Exact without codes, on request, and for few allowed rows. Else by code, and the best Rescored(k) of those are scored
// exactly: by comparing all allowed rows where that is cheaper than a walk, by a walk among all rows where all are
// allowed, else by one among the allowed rows. A walk that finds fewer than min(k, allowed) rows is done again exactly.
// The store's error where vectors of a damaged file cannot be read from there either: hits may have been pushed that are
// wrong. With an inverted file the nearest cells are looked at until enough of their rows are allowed.
absl::Status SearchDenseSegment(const DenseSegmentSearch& search, const float* query, const CancelToken& cancel,
                                TopHits& top, DenseSegmentStats& stats);

}  // namespace vouch
