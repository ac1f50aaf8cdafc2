#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "storage/schema.h"

namespace vouch {

// Distances between float vectors, in one defined order of operations.
//
// Invariant: element i is added to lane i mod 16 of sixteen float sums, ascending; products, differences and sums are
// each rounded to float (no fused multiply-add); then lanes j and j + 8 are added, then j and j + 4, j and j + 2, j and
// j + 1. All variants keep this order, so that every processor gives the same bits (DESIGN, invariant 9).
//
// "Distance" is lower-is-better here: the squared Euclidean distance for L2 and for hamming, whose values are 0 and 1 (it
// is the number of those that differ then, exactly, as hamming_kernels.h counts it), the negated inner product for inner
// product and cosine (over normalised vectors). NaN, which only overflow can make, becomes +infinity.
struct DistanceKernels {
  using One = float (*)(const float* a, const float* b, size_t dim);
  // out[i] is the distance of `query` and rows[i]; same bits as four calls of One, with their latencies overlapped.
  using Four = void (*)(const float* query, const float* const rows[4], size_t dim, float out[4]);

  std::string_view name;
  One l2 = nullptr;
  One negative_ip = nullptr;
  Four l2_four = nullptr;
  Four negative_ip_four = nullptr;

  static bool IsL2(Metric metric) { return metric == Metric::kL2 || metric == Metric::kHamming; }
  One one(Metric metric) const { return IsL2(metric) ? l2 : negative_ip; }
  Four four(Metric metric) const { return IsL2(metric) ? l2_four : negative_ip_four; }
};

// The fastest variant that this processor runs.
const DistanceKernels& BestKernels();
// All variants that this processor runs, for tests; the first is the scalar one.
std::span<const DistanceKernels> AvailableKernels();

// The score of a distance: higher is better, never NaN, never -0.
inline float ScoreOfDistance(float distance) { return 0.0f - distance; }

// Scales to length 1 (the length in double, ascending). False, and nothing changed, for a vector of length 0 or one
// whose length is not finite.
bool NormalizeVector(std::span<float> vector);

}  // namespace vouch
