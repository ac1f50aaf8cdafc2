#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "query/query_tree.h"
#include "query/ranked_row.h"

namespace vouch {

// A list of a fusion, as its scale sees it.
struct ScoredList {
  const std::vector<RankedRow>* hits = nullptr;  // best first
  // What its scores cannot fall below: 0 for BM25, -1 for a cosine; unset where nothing bounds
  // them.
  std::optional<double> lowest = std::nullopt;
  // All other rows score `lowest`: a text leaf that gave all rows with a term of the query.
  bool complete = false;
  size_t rows = 0;  // that could be hits; only of a complete list
};

// What a hit of one list counts for in a fusion. With s the hit's score, s_1 the list's greatest and
// s_0 the score of rows that the list does not have: `lowest` where it is complete, else at most the
// list's least, which is taken for it:
//
// kRrf: 1 / (k + rank), ranks from 1 (Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion
//   outperforms Condorcet and individual Rank Learning Methods", 2009).
// kMinMax: (s − s_0) / (s_1 − s_0).
// kZScore: (s − s_0) / σ, σ the standard deviation of the list's first kDeviationHits scores, filled
//   up with s_0 (as far as there are rows) where the list is complete: the z-score, counted from s_0
//   instead of the mean, so that rows without a hit count 0. The scale does not depend on how much
//   longer the list is, and a single match of a rare term counts much.
// kBounds: (s − lowest) / (s_1 − lowest), s_0 for an unset `lowest` (Bruch, Gai and Ingber, "An
//   Analysis of Fusion Functions for Hybrid Retrieval", 2023).
// kDbsf: (s − (μ − 3σ)) / 6σ, μ and σ of the whole list; scores further out than that are not cut.
//
// Where these have no width (all scores equal) or a score is not finite, each hit counts 1, or 0.5
// by kDbsf. A row that the list does not have counts 0. Deviations are of the population; sums are
// in double in the list's order, so that equal lists give equal bits.
class ScoreScale {
 public:
  static constexpr size_t kDeviationHits = 100;

  static ScoreScale Of(FusionMethod method, double k, const ScoredList& list);

  // Of the hit of rank `rank` (from 1) and score `score`.
  double Value(double score, size_t rank) const;
  // What the hit adds to the fused score.
  double Share(double weight, double score, size_t rank) const;

 private:
  bool by_rank_ = false;
  double k_ = 0;
  double from_ = 0;
  double width_ = 0;  // 0: each hit counts `flat_`
  double flat_ = 1;
};

}  // namespace vouch
