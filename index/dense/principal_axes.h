#pragma once

#include <cstdint>
#include <vector>

#include "index/dense/dense_column.h"

namespace vouch {

// The directions in which vectors vary most, by subspace iteration on the covariance of a sample (Halko, Martinsson and
// Tropp, "Finding structure with randomness", 2011, algorithm 4.4), with a fixed seed.
struct PrincipalAxes {
  std::vector<float> mean;  // dim values; all 0 for inner products, whose order a shift would change
  std::vector<float> axes;  // count * dim, row-major, orthonormal, by falling variance
};

// Over at most `sample` rows of the column, evenly spread. `count` is below dim.
PrincipalAxes FindPrincipalAxes(const DenseColumn& column, uint32_t count, uint32_t sample);
// The mean alone, of the same sample.
std::vector<float> FindMean(const DenseColumn& column, uint32_t sample);

}  // namespace vouch
