#pragma once

#include <cstddef>
#include <span>
#include <vector>

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

// What a hit of rank `rank` (from 1) in a child of weight `weight` adds to the fused score.
double RrfShare(double k, double weight, size_t rank);

// Reciprocal rank fusion: score = Σ weight_i / (k + rank_i), added in the children's order, so that
// equal inputs give equal bits (Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms
// Condorcet and individual Rank Learning Methods", 2009). `lists` in rank order, a row at most once
// in each; `weights` empty (all 1) or one a list. All distinct rows, in total order; the caller
// cuts.
std::vector<RankedRow> FuseRrf(std::span<const std::vector<RankedRow>* const> lists, double k,
                               std::span<const double> weights);

}  // namespace vouch
