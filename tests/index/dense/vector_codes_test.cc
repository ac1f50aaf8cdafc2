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

TEST(CodeKernels, AllVariantsGiveTheSameBitsUpToTheLargestSums) {
  std::mt19937_64 random(11);
  constexpr size_t kNodes = 11;
  for (size_t stride : {32u, 64u, 96u, 128u, 320u, 4160u}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<uint8_t> records(kNodes * stride);
      std::vector<int8_t> query(stride);
      for (uint8_t& value : records) value = round == 0 ? 127 : static_cast<uint8_t>(random() % 128);
      for (int8_t& value : query) value = round == 0 ? -127 : static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
      for (size_t node = 0; node < kNodes; ++node) {
        const float bias = static_cast<float>(random() % 1000) / 7.0f;
        std::memcpy(records.data() + (node + 1) * stride - sizeof(bias), &bias, sizeof(bias));
      }
      std::fill(query.end() - sizeof(float), query.end(), int8_t{0});
      const CodeComparison comparison = {.records = records.data(),
                                         .stride = stride,
                                         .query = query.data(),
                                         .scale = 0.0123f,
                                         .shift = static_cast<int32_t>(random() % 5000)};
      const uint32_t nodes[kNodes] = {3, 0, 10, 7, 1, 2, 9, 4, 8, 6, 5};
      float expected[kNodes];
      AvailableCodeKernels()[0].keys(comparison, nodes, kNodes, expected);
      for (const CodeKernels& kernels : AvailableCodeKernels()) {
        for (size_t count = 0; count <= kNodes; ++count) {
          float out[kNodes] = {};
          kernels.keys(comparison, nodes, count, out);
          EXPECT_EQ(std::memcmp(out, expected, count * sizeof(float)), 0) << kernels.name << " " << count;
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

// What is written one by one has the bytes of what is built at once, and keys that order as well.
TEST_P(VectorCodesOf, RecordsAreWrittenOneByOne) {
  const Metric metric = GetParam();
  const TestVectors rows = ClusteredVectors(31, 600, 40, metric);
  const DenseColumn column = MakeColumn(rows, 40, metric);
  const auto built = *VectorCodes::Build(column, 2);
  const auto fitted = *VectorCodes::Fit(column);
  EXPECT_EQ(fitted->nodes(), 0u);
  EXPECT_EQ(fitted->fitted_nodes(), 600u);
  ASSERT_FALSE(built->projected());
  EXPECT_EQ(fitted->axes(), built->axes());
  ASSERT_EQ(fitted->stride(), built->stride());
  std::vector<float> scratch;
  std::vector<uint8_t> record(fitted->stride());
  for (uint32_t node = 0; node < column.nodes(); ++node) {
    fitted->EncodeRecord(rows[node].data(), scratch, record.data());
    EXPECT_EQ(std::memcmp(record.data(), built->code(node), record.size()), 0) << node;
  }
  EXPECT_EQ(VectorCodes::Fit(MakeColumn({}, 40, metric)).status().code(), absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Metrics, VectorCodesOf, testing::Values(Metric::kL2, Metric::kCosine, Metric::kInnerProduct));

TestVectors FlatVectors(uint64_t seed, size_t rows, size_t first_axis) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  TestVectors vectors(rows, std::vector<float>(200, 0.0f));
  for (auto& row : vectors) {
    for (size_t i = 0; i < 200; ++i) {
      row[i] = i >= first_axis && i < first_axis + 20 ? normal(random) : 0.001f * normal(random);
    }
  }
  return vectors;
}

TEST(VectorCodes, BuiltLikeOthersHaveTheirKeys) {
  const TestVectors rows = FlatVectors(5, 1500, 0);
  const auto model = *VectorCodes::Build(MakeColumn(rows, 200, Metric::kL2), 2);
  ASSERT_TRUE(model->projected());
  const TestVectors few(rows.begin() + 100, rows.begin() + 500);
  const auto alike = *VectorCodes::BuildLike(MakeColumn(few, 200, Metric::kL2), *model);
  ASSERT_NE(alike, nullptr);
  EXPECT_EQ(alike->axes(), model->axes());
  EXPECT_EQ(alike->nodes(), 400u);
  CodeQuery query;
  model->Encode(rows[7].data(), query);
  for (uint32_t node = 0; node < 400; ++node) EXPECT_EQ(alike->Key(query, node), model->Key(query, node + 100));
  // Axes are told by what they are: so those of files are, that were read one by one.
  EXPECT_EQ((*VectorCodes::Build(MakeColumn(rows, 200, Metric::kL2), 1))->axes(), model->axes());
  EXPECT_NE((*VectorCodes::Build(MakeColumn(few, 200, Metric::kL2), 2))->axes(), model->axes());
  EXPECT_EQ(model->fitted_nodes(), 1500u);
  EXPECT_EQ(alike->fitted_nodes(), 1500u);
  std::vector<float> scratch;
  std::vector<uint8_t> record(model->stride());
  model->EncodeRecord(rows[11].data(), scratch, record.data());
  EXPECT_EQ(std::memcmp(record.data(), model->code(11), record.size()), 0) << "projected";
}

TEST(VectorCodes, AreExtendedByOthersOfTheSameAxes) {
  const TestVectors rows = FlatVectors(5, 1500, 0);
  const TestVectors start(rows.begin(), rows.begin() + 900);
  const auto first = *VectorCodes::Build(MakeColumn(start, 200, Metric::kL2), 2);
  const auto all = *VectorCodes::Extend(MakeColumn(rows, 200, Metric::kL2), *first, 2);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(all->nodes(), 1500u);
  EXPECT_EQ(all->fitted_nodes(), 900u);
  EXPECT_EQ(all->axes(), first->axes());
  // As if all had been made by those axes.
  EXPECT_EQ((*VectorCodes::BuildLike(MakeColumn(rows, 200, Metric::kL2), *first))->bytes(), all->bytes());
  // The others lie along other axes.
  TestVectors mixed = start;
  const TestVectors strange = FlatVectors(6, 600, 100);
  mixed.insert(mixed.end(), strange.begin(), strange.end());
  EXPECT_EQ(*VectorCodes::Extend(MakeColumn(mixed, 200, Metric::kL2), *first, 2), nullptr);
  EXPECT_EQ(VectorCodes::Extend(MakeColumn(start, 200, Metric::kL2), *first, 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(VectorCodes, AxesThatDoNotSuitTheRowsAreRefused) {
  const auto model = *VectorCodes::Build(MakeColumn(FlatVectors(5, 1500, 0), 200, Metric::kL2), 2);
  EXPECT_EQ(*VectorCodes::BuildLike(MakeColumn(FlatVectors(6, 600, 100), 200, Metric::kL2), *model), nullptr);
  EXPECT_EQ(VectorCodes::BuildLike(MakeColumn({{1, 2}}, 2, Metric::kL2), *model).status().code(),
            absl::StatusCode::kInvalidArgument);
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
