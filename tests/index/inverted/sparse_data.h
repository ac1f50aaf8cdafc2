#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "index/bitmap.h"
#include "index/inverted/sparse_search.h"

namespace vouch {

inline SparseVector Sparse(const std::map<uint32_t, float>& weights) {
  SparseVector vector;
  for (const auto& [index, weight] : weights) {
    vector.indices.push_back(index);
    vector.values.push_back(weight);
  }
  return vector;
}

inline std::shared_ptr<const SparseIndex> BuildSparse(std::span<const SparseVector> vectors) {
  std::vector<const SparseVector*> pointers;
  for (const SparseVector& vector : vectors) pointers.push_back(&vector);
  return SparseIndex::Build(pointers);
}

// The definition of sparse_search.h, row by row.
inline std::vector<Hit> NaiveSparse(std::span<const SparseVector> vectors,
                                    const std::vector<bool>& allowed, const SparseVector& query,
                                    size_t k) {
  std::vector<Hit> hits;
  for (size_t row = 0; row < vectors.size(); ++row) {
    if (!allowed[row]) continue;
    double sum = 0;
    for (size_t i = 0; i < query.indices.size(); ++i) {
      const auto& indices = vectors[row].indices;
      const auto found = std::lower_bound(indices.begin(), indices.end(), query.indices[i]);
      if (found == indices.end() || *found != query.indices[i]) continue;
      const float weight = vectors[row].values[static_cast<size_t>(found - indices.begin())];
      sum += static_cast<double>(query.values[i]) * static_cast<double>(weight);
    }
    if (const auto score = static_cast<float>(sum); score > 0) hits.push_back({RowId(row), score});
  }
  std::sort(hits.begin(), hits.end());
  if (hits.size() > k) hits.resize(k);
  return hits;
}

}  // namespace vouch
