#include "index/dense/vector_codes.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/dense/kernels.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {
namespace {

TEST(CodeKernels, AllVariantsAgreeUpToTheLargestSums) {
  std::mt19937_64 random(11);
  for (size_t stride : {32u, 64u, 128u, 320u, 4160u}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<std::vector<uint8_t>> codes(4, std::vector<uint8_t>(stride));
      std::vector<int8_t> query(stride);
      for (auto& code : codes) {
        for (uint8_t& value : code) value = round == 0 ? 127 : static_cast<uint8_t>(random() % 128);
      }
      for (int8_t& value : query) value = round == 0 ? -127 : static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
      const uint8_t* rows[4] = {codes[0].data(), codes[1].data(), codes[2].data(), codes[3].data()};
      int32_t expected[4];
      AvailableCodeKernels()[0].four(rows, query.data(), stride, expected);
      for (const CodeKernels& kernels : AvailableCodeKernels()) {
        int32_t out[4];
        kernels.four(rows, query.data(), stride, out);
        for (size_t i = 0; i < 4; ++i) {
          EXPECT_EQ(out[i], expected[i]) << kernels.name;
          EXPECT_EQ(kernels.one(rows[i], query.data(), stride), expected[i]) << kernels.name;
        }
      }
    }
  }
}

class VectorCodesOf : public testing::TestWithParam<Metric> {};

TEST_P(VectorCodesOf, KeysOrderLikeDistances) {
  const Metric metric = GetParam();
  const TestVectors rows = ClusteredVectors(31, 2000, 40, metric);
  const DenseColumn column = MakeColumn(rows, 40, metric);
  const auto codes = *VectorCodes::Build(column, 2);
  EXPECT_FALSE(codes->projected());
  double recall = 0;
  for (const auto& query : ClusteredVectors(32, 30, 40, metric)) {
    CodeQuery code;
    codes->Encode(query.data(), code);
    std::vector<std::pair<float, uint32_t>> keys;
    for (uint32_t node = 0; node < codes->nodes(); ++node) keys.emplace_back(codes->Key(code, node), node);
    std::sort(keys.begin(), keys.end());
    std::vector<Hit> hits;
    for (size_t i = 0; i < 20; ++i) hits.push_back({RowId(keys[i].second), 0});
    recall += Recall(hits, BruteForce(rows, query, metric, 10)) / 30;
  }
  EXPECT_GE(recall, 0.99);
}

INSTANTIATE_TEST_SUITE_P(Metrics, VectorCodesOf, testing::Values(Metric::kL2, Metric::kCosine, Metric::kInnerProduct));

// Vectors of many dimensions that lie near a plane of few need few code values; those that fill all need all.
TEST(VectorCodes, ProjectsWhereItKeepsTheNeighbours) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  TestVectors flat(1500, std::vector<float>(200, 0.0f)), full(1500, std::vector<float>(200, 0.0f));
  for (auto& row : flat) {
    for (size_t i = 0; i < 200; ++i) row[i] = i < 20 ? normal(random) : 0.001f * normal(random);
  }
  for (auto& row : full) {
    for (float& value : row) value = normal(random);
  }
  const auto short_codes = *VectorCodes::Build(MakeColumn(flat, 200, Metric::kL2), 2);
  EXPECT_TRUE(short_codes->projected());
  EXPECT_EQ(short_codes->code_dim(), 60u);
  EXPECT_EQ(short_codes->stride(), 64u);
  const auto long_codes = *VectorCodes::Build(MakeColumn(full, 200, Metric::kL2), 2);
  EXPECT_FALSE(long_codes->projected());
  EXPECT_EQ(long_codes->code_dim(), 200u);
}

TEST(VectorCodes, SurvivesQueriesAndRowsOfAnySize) {
  TestVectors rows = ClusteredVectors(3, 100, 6, Metric::kL2);
  rows[7] = {3e38f, -3e38f, 3e38f, 0, 0, 0};
  rows[8] = std::vector<float>(6, 0.0f);
  const auto codes = *VectorCodes::Build(MakeColumn(rows, 6, Metric::kL2), 1);
  CodeQuery query;
  for (const float value : {0.0f, 1e-38f, 3e38f, -3e38f}) {
    const std::vector<float> vector(6, value);
    codes->Encode(vector.data(), query);
    for (uint32_t node = 0; node < 100; ++node) codes->Key(query, node);
  }
}

TEST(VectorCodes, BrokenHeadersAreDataLoss) {
  const DenseColumn column = MakeColumn(ClusteredVectors(3, 90, 8, Metric::kL2), 8, Metric::kL2);
  const auto codes = *VectorCodes::Build(column, 1);
  const auto parse_changed = [&](size_t at, uint32_t value, size_t cut) {
    auto copy = std::make_shared<AlignedBuffer>(codes->bytes().size());
    std::memcpy(copy->data(), codes->bytes().data(), copy->size());
    if (at < copy->size()) std::memcpy(copy->data() + at, &value, sizeof(value));
    return VectorCodes::Parse(copy->view().substr(0, copy->size() - cut), column.nodes(), column.dim(), column.metric(), copy).status().code();
  };
  EXPECT_EQ(parse_changed(SIZE_MAX, 0, 0), absl::StatusCode::kOk);
  EXPECT_EQ(parse_changed(SIZE_MAX, 0, 64), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse_changed(SIZE_MAX, 0, codes->bytes().size()), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse_changed(0, 91, 0), absl::StatusCode::kDataLoss);           // nodes
  EXPECT_EQ(parse_changed(4, 9, 0), absl::StatusCode::kDataLoss);            // dim
  EXPECT_EQ(parse_changed(8, 7, 0), absl::StatusCode::kDataLoss);            // code_dim without projection
  EXPECT_EQ(parse_changed(8, 0, 0), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse_changed(12, 64, 0), absl::StatusCode::kDataLoss);          // stride
  EXPECT_EQ(parse_changed(16, 0, 0), absl::StatusCode::kDataLoss);           // step
  EXPECT_EQ(parse_changed(16, 0x7FC00000u, 0), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse_changed(20, 1, 0), absl::StatusCode::kDataLoss);           // projected, without axes
  EXPECT_EQ(parse_changed(20, 2, 0), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace vouch
