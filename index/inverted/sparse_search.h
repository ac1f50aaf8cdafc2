#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/hit.h"
#include "index/inverted/sparse_index.h"
#include "storage/ids.h"

namespace vouch {

struct RankedScanStats;

// One segment as a search sees it; `allowed`: the rows that may be hits, null: all.
struct SparseSegment {
  const SparseIndex* index = nullptr;
  RowId first_row;
  const Bitmap* allowed = nullptr;
};

// score = Σ over the indices that both have, ascending, in double: query weight · weight (each such
// product is exact in double); then rounded once to float.
// The exact `k` best of the allowed rows with score > 0, by (score descending, row ascending).
// Segments ascend by row; `query` is canonical. Looks at `cancel` every few windows.
absl::StatusOr<std::vector<Hit>> SearchSparse(std::span<const SparseSegment> segments,
                                              const SparseVector& query, size_t k,
                                              const CancelToken& cancel,
                                              RankedScanStats* stats = nullptr);

// One index's share of a score.
struct SparseContribution {
  uint32_t index = 0;
  float query_weight = 0;
  float weight = 0;  // the row's
  double score = 0;  // their product; the contributions, added in order, are the hit's score
};
// Why `row` (counted from its segment's first row) has its score: ascending by index.
std::vector<SparseContribution> ExplainSparse(const SparseIndex& index, uint32_t row,
                                              const SparseVector& query);

}  // namespace vouch
