#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "query/query_tree.h"
#include "query/ranked_row.h"

namespace vouch {

// What the hits of a list count for: the formulas of query/score_scale.h.
inline std::vector<double> ReferenceValues(const FuseNode& fuse, const std::vector<RankedRow>& list,
                                           double lowest, bool complete, size_t rows) {
  std::vector<double> values;
  if (list.empty()) return values;
  // Lists of mmr and of orders by a field are not in the order of their scores.
  std::vector<double> spread;
  for (const RankedRow& hit : list) spread.push_back(hit.score);
  const double first = *std::max_element(spread.begin(), spread.end());
  const double missing = complete ? lowest : *std::min_element(spread.begin(), spread.end());
  if (fuse.method == FusionMethod::kZScore) {
    const size_t filled = complete ? std::max(rows, spread.size()) : spread.size();
    spread.resize(std::min<size_t>(filled, 100), missing);
  }
  double mean = 0;
  for (double score : spread) mean += score;
  mean /= static_cast<double>(spread.size());
  double squares = 0;
  for (double score : spread) squares += (score - mean) * (score - mean);
  const bool flat = *std::max_element(spread.begin(), spread.end()) ==
                    *std::min_element(spread.begin(), spread.end());
  const double deviation = flat ? 0 : std::sqrt(squares / static_cast<double>(spread.size()));
  double from = missing;
  double width = first - missing;
  if (fuse.method == FusionMethod::kZScore) width = deviation;
  if (fuse.method == FusionMethod::kBounds) {
    from = lowest;
    width = first - from;
  }
  if (fuse.method == FusionMethod::kDbsf) {
    from = mean - 3 * deviation;
    width = 6 * deviation;
  }
  for (const RankedRow& hit : list) {
    const double without = fuse.method == FusionMethod::kDbsf ? 0.5 : 1;
    values.push_back(width > 0 ? (hit.score - from) / width : without);
  }
  return values;
}

}  // namespace vouch
