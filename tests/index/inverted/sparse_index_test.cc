#include "index/inverted/sparse_index.h"

#include <bit>
#include <cstring>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/index/inverted/sparse_data.h"

namespace vouch {
namespace {

using testing::HasSubstr;

std::string Show(const PostingList& postings) {
  std::string shown;
  postings.ForEachBlock([&](const PostingBlock& block) {
    for (uint32_t i = 0; i < block.count; ++i) {
      absl::StrAppend(&shown, block.rows[i], ":", std::bit_cast<float>(block.values[i]), " ");
    }
  });
  return shown;
}

const std::vector<SparseVector> kThreeRows = {
    Sparse({{2, 0.5f}, {UINT32_MAX, 1}}), {}, Sparse({{0, 3}, {2, 2}})};

TEST(SparseIndexTest, HoldsPostings) {
  const auto index = BuildSparse(kThreeRows);
  EXPECT_EQ(index->rows(), 3u);
  EXPECT_EQ(index->entries(), 4u);
  EXPECT_EQ(Show(index->postings(0)), "2:3 ");
  EXPECT_EQ(Show(index->postings(2)), "0:0.5 2:2 ");
  EXPECT_EQ(Show(index->postings(UINT32_MAX)), "0:1 ");
  EXPECT_EQ(Show(index->postings(1)), "");
  EXPECT_TRUE(index->Holds(0, kThreeRows[0]));
  EXPECT_TRUE(index->Holds(1, {}));
  EXPECT_FALSE(index->Holds(2, kThreeRows[0]));
  EXPECT_FALSE(index->Holds(2, Sparse({{0, 3.5f}})));
  EXPECT_GT(index->memory_bytes(), 0u);
}

TEST(SparseIndexTest, EmptyIndexes) {
  const auto none = SparseIndex::Build({});
  EXPECT_EQ(SparseIndex::Merge({})->Serialize(), none->Serialize());
  ASSERT_TRUE(SparseIndex::Parse(none->Serialize(), 0).ok());
  const auto blank = BuildSparse(std::vector<SparseVector>(5));
  EXPECT_EQ(blank->rows(), 5u);
  EXPECT_EQ(blank->entries(), 0u);
  ASSERT_TRUE(SparseIndex::Parse(blank->Serialize(), 5).ok());
}

TEST(SparseIndexTest, ALongListIsBoundedByItsLargestWeights) {
  std::vector<SparseVector> vectors;
  for (uint32_t row = 0; row < 300; ++row) {
    vectors.push_back(Sparse({{7, row == 200 ? 9.0f : 1.0f + static_cast<float>(row) / 1024}}));
  }
  const auto index = BuildSparse(vectors);
  const PostingList list = index->postings(7);
  ASSERT_EQ(list.blocks(), 3u);
  ASSERT_EQ(list.bounds(0).size(), 1u);
  EXPECT_EQ(std::bit_cast<float>(list.bounds(0)[0].a), 1.0f + 127.0f / 1024);
  EXPECT_EQ(std::bit_cast<float>(list.bounds(1)[0].a), 9.0f);
  EXPECT_EQ(std::bit_cast<float>(list.bounds()[0].a), 9.0f);
}

TEST(SparseIndexTest, MergedPartsEqualTheWhole) {
  constexpr uint64_t kSeed = 7;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 60; ++round) {
    std::vector<SparseVector> vectors(random() % 400);
    for (SparseVector& vector : vectors) {
      std::map<uint32_t, float> weights;
      for (uint64_t i = random() % 6; i > 0; --i) {
        weights[static_cast<uint32_t>(random() % 9 * 500'000'000)] =
            static_cast<float>(1 + random() % 100) / 64;
      }
      vector = Sparse(weights);
    }
    const std::string whole = BuildSparse(vectors)->Serialize();
    std::vector<std::shared_ptr<const SparseIndex>> parts;
    for (size_t begin = 0; begin < vectors.size();) {
      const size_t count = std::min<size_t>(vectors.size() - begin, random() % 200);
      parts.push_back(BuildSparse(std::span(vectors).subspan(begin, count)));
      begin += count;
    }
    std::vector<const SparseIndex*> pointers;
    for (const auto& part : parts) pointers.push_back(part.get());
    const auto merged = SparseIndex::Merge(pointers);
    ASSERT_EQ(merged->Serialize(), whole) << "round " << round;
    const auto parsed = SparseIndex::Parse(whole, static_cast<uint32_t>(vectors.size()));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ((*parsed)->Serialize(), whole);
    ASSERT_EQ((*parsed)->entries(), merged->entries());
  }
}

TEST(SparseIndexTest, GoldenBytes) {
  const std::string bytes = BuildSparse(kThreeRows)->Serialize();
  const unsigned char golden[] = {
      'V', 'S', 'P', 'X',  1,    0,    0, 0,                 // magic, format
      3,   0,   0,   0,    3,    0,    0, 0,                 // rows, terms
      0,   0,   0,   0,    2,    0,    0, 0,                 // the indices
      255, 255, 255, 255,                                    //
      1,   0,   0,   0,    2,    0,    0, 0, 1, 0,    0, 0,  // postings of each
      21,  0,   0,   0,    0,    0,    0, 0,                 // bytes of the blocks
      2,   2,   0,   0,    0x40, 0x40,                       // 0: step 2; weight 3
      1,   2,   0,   0,    0,    0x3f, 0, 0, 0, 0x40,        // 2: steps 0 and 1; .5 and 2
      0,   0,   0,   0x80, 0x3f};                            // 2^32 − 1: step 0; weight 1
  EXPECT_EQ(bytes, std::string(reinterpret_cast<const char*>(golden), sizeof(golden)));
}

TEST(SparseIndexTest, EveryPrefixAndEveryFlippedBitIsSafe) {
  const std::string bytes = BuildSparse(kThreeRows)->Serialize();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(SparseIndex::Parse(bytes.substr(0, size), 3).status().code(),
              absl::StatusCode::kDataLoss);
  }
  ASSERT_EQ(SparseIndex::Parse(bytes + "x", 3).status().code(), absl::StatusCode::kDataLoss);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto parsed = SparseIndex::Parse(damaged, 3);
    if (parsed.ok()) {
      ASSERT_EQ((*parsed)->Serialize(), damaged);
    }
  }
}

TEST(SparseIndexTest, SaysWhatIsDamaged) {
  const std::string bytes = BuildSparse(kThreeRows)->Serialize();
  // The message with four bytes at `at` replaced by a number's.
  const auto message = [&](size_t at, auto number, uint32_t rows = 3) {
    static_assert(sizeof(number) == 4);
    std::string damaged = bytes;
    std::memcpy(damaged.data() + at, &number, sizeof(number));
    return std::string(SparseIndex::Parse(damaged, rows).status().message());
  };
  EXPECT_THAT(message(0, 0u), HasSubstr("sparse index: the magic number is missing"));
  EXPECT_THAT(message(4, 2u), HasSubstr("format 2, this program reads 1"));
  EXPECT_THAT(message(4, 1u, 4), HasSubstr("holds 3 rows, wanted 4"));
  EXPECT_THAT(message(12, 0xffffffffu), HasSubstr("the terms are cut short"));
  EXPECT_THAT(message(20, 0u), HasSubstr("the terms do not ascend"));
  EXPECT_THAT(message(28, 0u), HasSubstr("a term without postings"));
  for (const float weight : {0.0f, -1.0f, -0.0f, 2e15f}) {
    EXPECT_THAT(message(bytes.size() - 4, weight), HasSubstr("a weight not in")) << weight;
  }
  EXPECT_THAT(message(bytes.size() - 4, std::numeric_limits<float>::infinity()),
              HasSubstr("not finite"));
}

}  // namespace
}  // namespace vouch
