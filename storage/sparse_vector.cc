#include "storage/sparse_vector.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "storage/concat.h"

namespace vouch {

namespace {

std::string NameOf(float weight) {
  if (std::isnan(weight)) return "NaN";
  return std::isinf(weight) ? "infinite" : Concat(weight);
}

}  // namespace

absl::Status CheckSparseVector(const SparseVector& vector, size_t max_entries) {
  const size_t entries = vector.indices.size();
  if (entries != vector.values.size()) {
    return absl::InvalidArgumentError(Concat("the sparse vector has ", entries, " indices and ", vector.values.size(),
                                             " values"));
  }
  if (entries > max_entries) {
    return absl::InvalidArgumentError(Concat("the sparse vector has ", entries, " entries; the limit is ", max_entries));
  }
  for (size_t i = 0; i < entries; ++i) {
    const float weight = vector.values[i];
    if (weight >= 0 && weight <= kMaxSparseWeight) continue;  // false for NaN
    return absl::InvalidArgumentError(Concat("the weight of index ", vector.indices[i], " at position ", i, " is ",
                                             NameOf(weight), "; sparse weights are from 0 to ", kMaxSparseWeight));
  }
  std::vector<uint32_t> sorted;
  const std::vector<uint32_t>* indices = &vector.indices;
  if (!std::is_sorted(indices->begin(), indices->end())) {
    sorted = vector.indices;
    std::sort(sorted.begin(), sorted.end());
    indices = &sorted;
  }
  const auto twice = std::adjacent_find(indices->begin(), indices->end());
  if (twice == indices->end()) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("the sparse vector has the index ", *twice, " twice"));
}

void CanonicalizeSparseVector(SparseVector& vector) {
  std::vector<size_t> order(vector.indices.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return vector.indices[a] < vector.indices[b]; });
  SparseVector canonical;
  canonical.indices.reserve(order.size());
  canonical.values.reserve(order.size());
  for (const size_t i : order) {
    if (vector.values[i] == 0) continue;
    canonical.indices.push_back(vector.indices[i]);
    canonical.values.push_back(vector.values[i]);
  }
  vector = std::move(canonical);
}

bool IsCanonicalSparseVector(const SparseVector& vector, size_t max_entries) {
  const size_t entries = vector.indices.size();
  if (entries != vector.values.size() || entries > max_entries) return false;
  for (size_t i = 0; i < entries; ++i) {
    if (i > 0 && vector.indices[i] <= vector.indices[i - 1]) return false;
    if (!(vector.values[i] > 0 && vector.values[i] <= kMaxSparseWeight)) return false;
  }
  return true;
}

}  // namespace vouch
