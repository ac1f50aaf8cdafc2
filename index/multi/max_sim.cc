#include "index/multi/max_sim.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/dense/kernels.h"
#include "index/multi/max_sim_kernels.h"

namespace vouch {

MaxSim::MaxSim(const MultiVector& query) : dim_(query.dim), tokens_(query.tokens()), query_(query.values) {
  best_.resize((tokens_ + MaxSimKernels::kBlock - 1) / MaxSimKernels::kBlock * MaxSimKernels::kBlock);
  query_.resize(best_.size() * dim_, 0.0f);
}

float MaxSim::Score(std::span<const float> document) {
  std::fill(best_.begin(), best_.end(), -std::numeric_limits<float>::infinity());
  BestMaxSimKernels().best(query_.data(), best_.size(), document.data(), document.size() / dim_, dim_, best_.data());
  double sum = 0;
  for (size_t i = 0; i < tokens_; ++i) sum += double{best_[i]};
  if (std::isnan(sum)) return -std::numeric_limits<float>::infinity();
  return 0.0f + static_cast<float>(sum);
}

std::vector<TokenMatch> MaxSim::Matches(std::span<const float> document) const {
  const DistanceKernels& kernels = BestKernels();
  std::vector<TokenMatch> matches(tokens_);
  for (size_t i = 0; i < tokens_; ++i) {
    float nearest = std::numeric_limits<float>::infinity();
    matches[i].query_token = static_cast<uint32_t>(i);
    for (size_t j = 0; j * dim_ < document.size(); ++j) {
      const float distance = kernels.negative_ip(query_.data() + i * dim_, document.data() + j * dim_, dim_);
      if (!(distance < nearest)) continue;
      nearest = distance;
      matches[i].token = static_cast<uint32_t>(j);
    }
    matches[i].score = ScoreOfDistance(nearest);
  }
  return matches;
}

void NormalizeTokens(Metric metric, MultiVector& vector) {
  if (metric != Metric::kCosine) return;
  for (size_t i = 0; i < vector.tokens(); ++i) {
    NormalizeVector({vector.values.data() + i * vector.dim, vector.dim});
  }
}

}  // namespace vouch
