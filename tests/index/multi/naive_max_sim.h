#pragma once

#include <algorithm>
#include <limits>

#include "index/dense/kernels.h"
#include "storage/multi_vector.h"

namespace vouch {

// MaxSim by its definition, with the scalar kernel.
inline float NaiveMaxSim(const MultiVector& query, const MultiVector& document) {
  double sum = 0;
  for (size_t i = 0; i < query.tokens(); ++i) {
    float best = -std::numeric_limits<float>::infinity();
    for (size_t j = 0; j < document.tokens(); ++j) {
      const float distance = AvailableKernels()[0].negative_ip(query.token(i).data(), document.token(j).data(), query.dim);
      best = std::max(best, ScoreOfDistance(distance));
    }
    sum += double{best};
  }
  return static_cast<float>(sum);
}

}  // namespace vouch
