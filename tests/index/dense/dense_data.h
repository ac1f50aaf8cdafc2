#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "index/dense/dense_column.h"
#include "index/dense/dense_search.h"
#include "index/dense/kernels.h"

namespace vouch {

// Rows of a column as a test writes them; an empty row has no vector.
using TestVectors = std::vector<std::vector<float>>;

inline DenseField TestField(uint32_t dim, Metric metric) {
  return {.name = "v", .dim = dim, .metric = metric, .index = DenseIndexKind::kHnsw, .hnsw = {}, .embedder = ""};
}

inline DenseColumn MakeColumn(const TestVectors& rows, uint32_t dim, Metric metric) {
  const std::vector<std::span<const float>> spans(rows.begin(), rows.end());
  return *DenseColumn::Build(TestField(dim, metric), spans);
}

// Points around `clusters` centres that are the same for all seeds; normalised under cosine.
inline TestVectors ClusteredVectors(uint64_t seed, size_t rows, uint32_t dim, Metric metric, size_t clusters = 20) {
  std::mt19937_64 centre_random(20261123);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  TestVectors centres(clusters, std::vector<float>(dim));
  for (auto& centre : centres) {
    for (float& value : centre) value = normal(centre_random);
  }
  TestVectors vectors(rows);
  for (auto& vector : vectors) {
    vector = centres[random() % clusters];
    for (float& value : vector) value += 0.5f * normal(random);
    if (metric == Metric::kCosine) NormalizeVector(vector);
  }
  return vectors;
}

// The k best of all rows that `allowed` takes, by sorting everything.
inline std::vector<Hit> BruteForce(const TestVectors& rows, const std::vector<float>& query, Metric metric, size_t k,
                                   const Bitmap* allowed = nullptr, uint64_t first_row = 0) {
  std::vector<Hit> hits;
  const DistanceKernels& scalar = AvailableKernels().front();
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row].empty() || (allowed != nullptr && !allowed->Test(row))) continue;
    const float distance = scalar.one(metric)(query.data(), rows[row].data(), query.size());
    hits.push_back({RowId(first_row + row), ScoreOfDistance(distance)});
  }
  std::sort(hits.begin(), hits.end());
  if (hits.size() > k) hits.resize(k);
  return hits;
}

inline double Recall(const std::vector<Hit>& got, const std::vector<Hit>& want) {
  size_t found = 0;
  for (const Hit& hit : want) {
    for (const Hit& other : got) found += other.row == hit.row ? 1 : 0;
  }
  return want.empty() ? 1.0 : static_cast<double>(found) / static_cast<double>(want.size());
}

}  // namespace vouch
