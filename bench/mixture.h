#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace vouch {

// The synthetic data of the vector benchmarks: a mixture of 2,000 Gaussian clusters (spread .6) in 32 latent dimensions,
// a random linear map to `dim` dimensions, noise .3. Row-major, seeded; queries come from the same mixture by another
// `stream`.
inline std::vector<float> MakeMixture(size_t rows, size_t dim, uint64_t seed, uint64_t stream) {
  constexpr size_t kClusters = 2000, kLatent = 32;
  constexpr float kSpread = 0.6f, kNoise = 0.3f;
  std::mt19937_64 shared(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(kClusters * kLatent), map(kLatent * dim);
  for (float& value : centres) value = normal(shared);
  for (float& value : map) value = normal(shared) / std::sqrt(static_cast<float>(kLatent));
  std::mt19937_64 own(seed * 1'000'003 + stream);
  std::normal_distribution<float> own_normal;
  std::vector<float> data(rows * dim), latent(kLatent);
  for (size_t row = 0; row < rows; ++row) {
    const float* centre = centres.data() + (own() % kClusters) * kLatent;
    for (size_t l = 0; l < kLatent; ++l) latent[l] = centre[l] + kSpread * own_normal(own);
    float* out = data.data() + row * dim;
    for (size_t d = 0; d < dim; ++d) {
      float sum = kNoise * own_normal(own);
      for (size_t l = 0; l < kLatent; ++l) sum += latent[l] * map[l * dim + d];
      out[d] = sum;
    }
  }
  return data;
}

}  // namespace vouch
