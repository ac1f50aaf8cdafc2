#include "query/score_scale.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace vouch {
namespace {

struct Spread {
  double mean = 0;
  double deviation = 0;
};

// Of the first `count` hits and `fill` more scores of `fill_score`.
Spread SpreadOf(const std::vector<RankedRow>& hits, size_t count, size_t fill, double fill_score) {
  const auto total = static_cast<double>(count + fill);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += hits[i].score;
  for (size_t i = 0; i < fill; ++i) sum += fill_score;
  Spread spread;
  spread.mean = sum / total;
  double squares = 0;
  for (size_t i = 0; i < count + fill; ++i) {
    const double off = (i < count ? hits[i].score : fill_score) - spread.mean;
    squares += off * off;
  }
  spread.deviation = std::sqrt(squares / total);
  return spread;
}

}  // namespace

ScoreScale ScoreScale::Of(FusionMethod method, double k, const ScoredList& list) {
  ScoreScale scale;
  scale.by_rank_ = method == FusionMethod::kRrf;
  scale.k_ = k;
  if (method == FusionMethod::kDbsf) scale.flat_ = 0.5;
  if (scale.by_rank_ || list.hits->empty()) return scale;
  const std::vector<RankedRow>& hits = *list.hits;
  const bool complete = list.complete && list.lowest.has_value();
  const auto by_score = [](const RankedRow& a, const RankedRow& b) { return a.score < b.score; };
  const auto [least, most] = std::minmax_element(hits.begin(), hits.end(), by_score);
  const double first = most->score;
  const double missing = complete ? *list.lowest : least->score;
  switch (method) {
    case FusionMethod::kRrf:
      break;
    case FusionMethod::kMinMax:
      scale.from_ = missing;
      scale.width_ = first - missing;
      break;
    case FusionMethod::kZScore: {
      const size_t count = std::min(hits.size(), kDeviationHits);
      const size_t filled = complete ? std::clamp(list.rows, count, kDeviationHits) : count;
      const size_t fill = filled - count;
      scale.from_ = missing;
      const auto end = hits.begin() + static_cast<std::ptrdiff_t>(count);
      const auto [low, high] = std::minmax_element(hits.begin(), end, by_score);
      if (low->score != high->score || (fill > 0 && missing != high->score)) {
        scale.width_ = SpreadOf(hits, count, fill, missing).deviation;
      }
      break;
    }
    case FusionMethod::kBounds:
      scale.from_ = list.lowest.value_or(missing);
      scale.width_ = first - scale.from_;
      break;
    case FusionMethod::kDbsf:
      if (first != least->score) {
        const Spread spread = SpreadOf(hits, hits.size(), 0, 0);
        scale.from_ = spread.mean - 3 * spread.deviation;
        scale.width_ = 6 * spread.deviation;
      }
      break;
  }
  if (!(scale.width_ > 0) || !std::isfinite(scale.width_) || !std::isfinite(scale.from_)) {
    scale.width_ = 0;
  }
  return scale;
}

double ScoreScale::Value(double score, size_t rank) const {
  if (by_rank_) return 1 / (k_ + static_cast<double>(rank));
  return width_ == 0 ? flat_ : (score - from_) / width_;
}

double ScoreScale::Share(double weight, double score, size_t rank) const {
  if (by_rank_) return weight / (k_ + static_cast<double>(rank));
  return weight * Value(score, rank);
}

}  // namespace vouch
