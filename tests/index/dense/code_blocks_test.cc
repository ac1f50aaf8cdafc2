#include "index/dense/code_blocks.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {

struct CodeBlocksTest {
  // The keys by each kernel of this processor.
  static std::vector<std::vector<float>> KeysOfAll(const CodeBlocks& blocks, const CodeQuery& query) {
    std::vector<std::vector<float>> all;
    for (const CodeBlocks::Kernel& kernel : CodeBlocks::AvailableKernels()) {
      std::vector<float> scratch(3, -1.0f);
      const std::span<const float> keys = blocks.KeysBy(kernel, query, scratch);
      all.emplace_back(keys.begin(), keys.end());
    }
    return all;
  }
};

namespace {

// From one code to some beyond what is compared at once, of codes with and without a whole number of fours.
TEST(CodeBlocks, EveryKernelGivesTheBitsOfTheRecords) {
  for (const uint32_t dim : {1u, 4u, 7u, 28u, 60u, 70u}) {
    const TestVectors rows = ClusteredVectors(61 + dim, 300, dim, Metric::kL2);
    const DenseColumn column = MakeColumn(rows, dim, Metric::kL2);
    const auto codes = *VectorCodes::Build(column, 1);
    CodeQuery query;
    codes->Encode(rows[5].data(), query);
    for (const uint32_t count : {1u, 15u, 16u, 17u, 127u, 128u, 129u, 300u}) {
      const CodeBlocks blocks(*codes, codes->code(0), count);
      ASSERT_TRUE(blocks.has_memory());
      std::vector<float> expected(count), scratch;
      codes->KeysOf(codes->code(0), query, expected);
      for (const std::vector<float>& keys : CodeBlocksTest::KeysOfAll(blocks, query)) {
        ASSERT_EQ(keys.size(), count);
        EXPECT_EQ(std::memcmp(keys.data(), expected.data(), count * sizeof(float)), 0) << dim << " " << count;
      }
      EXPECT_EQ(blocks.Keys(query, scratch).size(), count);
      EXPECT_GE(blocks.memory_bytes(), count * (codes->code_dim() + sizeof(float)));
    }
  }
}

TEST(CodeBlocks, NoRecordsHaveNoKeys) {
  const DenseColumn column = MakeColumn(ClusteredVectors(62, 10, 8, Metric::kL2), 8, Metric::kL2);
  const auto codes = *VectorCodes::Build(column, 1);
  CodeQuery query;
  codes->Encode(std::vector<float>(8, 1.0f).data(), query);
  std::vector<float> scratch;
  EXPECT_TRUE(CodeBlocks(*codes, codes->code(0), 0).Keys(query, scratch).empty());
}

}  // namespace
}  // namespace vouch
