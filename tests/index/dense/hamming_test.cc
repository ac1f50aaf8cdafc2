// Bit vectors: the kernels that count, and searches by them.
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "index/dense/hamming_kernels.h"
#include "index/dense/kernels.h"
#include "storage/vector_codec.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {
namespace {

TEST(HammingKernels, AllVariantsCountTheBitsThatDifferAtAnyLengthAndAddress) {
  const uint64_t seed = 20261126;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (size_t size = 0; size <= 512; size = size < 140 ? size + 1 : size + 31) {
    std::string a(size + 1, '\0'), b(size + 1, '\0');
    for (char& byte : a) byte = static_cast<char>(random());
    for (char& byte : b) byte = static_cast<char>(random());
    uint32_t want = 0;
    for (size_t i = 1; i <= size; ++i) {
      for (int bit = 0; bit < 8; ++bit) want += ((a[i] ^ b[i]) >> bit) & 1;
    }
    for (const HammingKernels& kernels : AvailableHammingKernels()) {
      EXPECT_EQ(kernels.distance(a.data() + 1, b.data() + 1, size), want) << kernels.name << ", " << size << " bytes";
    }
  }
  const std::string zeros(512, '\0'), ones(512, '\xFF');
  for (const HammingKernels& kernels : AvailableHammingKernels()) {
    EXPECT_EQ(kernels.distance(zeros.data(), ones.data(), 512), 4096u) << kernels.name;
  }
}

// What is counted and what the kernels of floats sum up are one number, so that graph, scan and rerank agree.
TEST(HammingKernels, TheCountIsTheL2DistanceOfTheValues) {
  std::mt19937_64 random(7);
  for (const uint32_t dim : {1u, 7u, 64u, 129u, 4096u}) {
    std::vector<float> a(dim), b(dim);
    for (float& value : a) value = static_cast<float>(random() % 2);
    for (float& value : b) value = static_cast<float>(random() % 2);
    std::string a_bits(VectorBytes(VectorType::kBit, dim), '\0'), b_bits = a_bits;
    EncodeVector(VectorType::kBit, a, a_bits.data());
    EncodeVector(VectorType::kBit, b, b_bits.data());
    const float distance = BestKernels().one(Metric::kHamming)(a.data(), b.data(), dim);
    EXPECT_EQ(distance, static_cast<float>(BestHammingKernels().distance(a_bits.data(), b_bits.data(), a_bits.size())));
  }
}

}  // namespace
}  // namespace vouch
