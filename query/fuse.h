#pragma once

#include <span>
#include <vector>

#include "query/ranked_row.h"
#include "query/score_scale.h"

namespace vouch {

// One list of a fusion.
struct FusionLeg {
  const std::vector<RankedRow>* hits = nullptr;  // in total order, a row at most once
  ScoreScale scale;
  double weight = 1;
};

// The distinct rows of all lists in total order: score = Σ Share of the hit in each list, added in
// the lists' order, so that equal inputs give equal bits. The caller cuts.
std::vector<RankedRow> Fuse(std::span<const FusionLeg> legs);

}  // namespace vouch
