#include "index/dense/kernels.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace vouch {
namespace {

std::vector<float> RandomVector(std::mt19937_64& random, size_t dim) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dim);
  for (float& value : vector) value = normal(random) * std::exp2(static_cast<float>(random() % 20));
  return vector;
}

// The definition of the order, written independently of the kernels.
float DefinedSum(const std::vector<float>& terms) {
  float lanes[16] = {};
  for (size_t i = 0; i < terms.size(); ++i) lanes[i % 16] += terms[i];
  float eight[8];
  for (int j = 0; j < 8; ++j) eight[j] = lanes[j] + lanes[j + 8];
  return ((eight[0] + eight[4]) + (eight[2] + eight[6])) + ((eight[1] + eight[5]) + (eight[3] + eight[7]));
}

TEST(Kernels, AllVariantsGiveTheDefinedBits) {
  const uint64_t seed = 20261123;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (size_t dim = 1; dim <= 300; ++dim) {
    const std::vector<float> query = RandomVector(random, dim);
    std::vector<std::vector<float>> rows;
    for (int r = 0; r < 4; ++r) rows.push_back(RandomVector(random, dim));
    for (const DistanceKernels& kernels : AvailableKernels()) {
      const float* pointers[4] = {rows[0].data(), rows[1].data(), rows[2].data(), rows[3].data()};
      float l2[4];
      float ip[4];
      kernels.l2_four(query.data(), pointers, dim, l2);
      kernels.negative_ip_four(query.data(), pointers, dim, ip);
      for (int r = 0; r < 4; ++r) {
        std::vector<float> squares(dim);
        std::vector<float> products(dim);
        for (size_t i = 0; i < dim; ++i) {
          const float difference = query[i] - rows[r][i];
          squares[i] = difference * difference;
          products[i] = query[i] * rows[r][i];
        }
        const auto want_l2 = std::bit_cast<uint32_t>(DefinedSum(squares));
        const auto want_ip = std::bit_cast<uint32_t>(-DefinedSum(products));
        EXPECT_EQ(std::bit_cast<uint32_t>(l2[r]), want_l2) << kernels.name << " dim " << dim;
        EXPECT_EQ(std::bit_cast<uint32_t>(kernels.l2(query.data(), pointers[r], dim)), want_l2) << kernels.name;
        EXPECT_EQ(std::bit_cast<uint32_t>(ip[r]), want_ip) << kernels.name << " dim " << dim;
        EXPECT_EQ(std::bit_cast<uint32_t>(kernels.negative_ip(query.data(), pointers[r], dim)), want_ip)
            << kernels.name;
      }
    }
  }
}

TEST(Kernels, OverflowIsAWorstScoreAndNoNaN) {
  const float big = 3e38f;
  for (size_t dim : {2u, 16u, 33u}) {
    std::vector<float> a(dim, big);
    std::vector<float> b(dim, big);
    b.back() = -big;
    for (const DistanceKernels& kernels : AvailableKernels()) {
      EXPECT_EQ(kernels.l2(a.data(), b.data(), dim), std::numeric_limits<float>::infinity()) << kernels.name;
      EXPECT_EQ(kernels.negative_ip(a.data(), b.data(), dim), std::numeric_limits<float>::infinity()) << kernels.name;
    }
  }
}

TEST(Kernels, ReadNothingBehindTheVector) {
  // Exact allocations: the address sanitiser sees a read past the end.
  for (size_t dim = 1; dim <= 40; ++dim) {
    const std::vector<float> a(dim, 1.0f);
    const std::vector<float> b(dim, 3.0f);
    for (const DistanceKernels& kernels : AvailableKernels()) {
      EXPECT_EQ(kernels.l2(a.data(), b.data(), dim), 4.0f * static_cast<float>(dim)) << kernels.name;
    }
  }
}

TEST(NormalizeVector, GivesLengthOneOrRefuses) {
  std::vector<float> vector = {3, 0, -4};
  ASSERT_TRUE(NormalizeVector(vector));
  EXPECT_FLOAT_EQ(vector[0], 0.6f);
  EXPECT_FLOAT_EQ(vector[2], -0.8f);
  std::vector<float> large = {3e38f, 3e38f};
  ASSERT_TRUE(NormalizeVector(large));
  EXPECT_FLOAT_EQ(large[0], std::sqrt(0.5f));
  std::vector<float> zero = {0, 0};
  EXPECT_FALSE(NormalizeVector(zero));
  std::vector<float> infinite = {1, std::numeric_limits<float>::infinity()};
  EXPECT_FALSE(NormalizeVector(infinite));
  EXPECT_EQ(infinite[0], 1);
}

}  // namespace
}  // namespace vouch
