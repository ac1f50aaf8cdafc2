#include "index/dense/cell_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/bitmap.h"
#include "index/dense/cell_order.h"
#include "index/dense/graph_build.h"
#include "index/dense/node_filter.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {
namespace {

TEST(NodeFilters, KeepTheSetOnesInOrder) {
  std::mt19937_64 random(3);
  for (size_t count = 0; count < 100; ++count) {
    Bitmap bits(500);
    for (size_t i = 0; i < 500; ++i) {
      if (random() % 3 == 0) bits.Set(i);
    }
    std::vector<uint32_t> nodes(count), expected;
    for (uint32_t& node : nodes) {
      node = static_cast<uint32_t>(random() % 500);
      if (bits.Test(node)) expected.push_back(node);
    }
    for (const NodeFilter filter : AvailableNodeFilters()) {
      std::vector<uint32_t> out(count + kFilterSlack);
      out.resize(filter(bits.words().data(), nodes.data(), count, out.data()));
      EXPECT_EQ(out, expected) << count;
    }
  }
}

TEST(KeyRanges, AllVariantsFindTheSamePlaces) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> keys = {
      5, 1, 3, -2, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
  for (int i = 0; i < 30; ++i) keys.push_back(static_cast<float>(i % 7));
  for (const KeyRange range : AvailableKeyRanges()) {
    const auto places = [&](float above, float high) {
      std::vector<uint32_t> out(keys.size() + 16);
      out.resize(range(keys.data(), keys.size(), above, high, out.data()));
      return out;
    };
    EXPECT_EQ(places(-kInfinity, -1), std::vector<uint32_t>({3}));
    EXPECT_EQ(places(std::numeric_limits<float>::quiet_NaN(), -1), std::vector<uint32_t>({3, 5}));
    EXPECT_EQ(places(4.5f, kInfinity).size(),
              11u);  // nine finite ones, the infinite one, what is no number
    const auto scalar = AvailableKeyRanges().front();
    std::vector<uint32_t> expected(keys.size() + 16);
    expected.resize(scalar(keys.data(), keys.size(), 1, 5, expected.data()));
    EXPECT_EQ(places(1, 5), expected);
  }
}

TEST(KeyOrder, GivesEachPlaceOnceAndTheLeastKeysFirst) {
  std::mt19937_64 random(4);
  for (const size_t count : {0u, 1u, 2u, 17u, 300u, 3000u}) {
    std::vector<float> keys(count);
    for (float& key : keys) key = static_cast<float>(random() % 1000);
    if (count > 100) keys[7] = std::numeric_limits<float>::infinity();
    KeyOrder order;
    order.Begin(keys);
    std::vector<uint32_t> given;
    float last = -1;
    for (auto part = order.Next(5); !part.empty(); part = order.Next(20)) {
      EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
      float highest = last;
      for (const uint32_t place : part) {
        EXPECT_GT(keys[place], last);
        highest = std::max(highest, keys[place]);
        given.push_back(place);
      }
      last = highest;
    }
    std::sort(given.begin(), given.end());
    ASSERT_EQ(given.size(), count);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(given[i], i);
  }
}

class Cells : public testing::TestWithParam<Metric> {
 protected:
  static std::shared_ptr<const Graph> Build(const DenseColumn& column, int threads) {
    return *BuildGraph(column, {.m = 8, .ef_construction = 40}, threads,
                       [](double) { return absl::OkStatus(); });
  }
};

TEST_P(Cells, HoldEachNodeOnceNearItsMean) {
  const TestVectors rows = ClusteredVectors(51, 4000, 24, GetParam(), 40);
  const DenseColumn column = MakeColumn(rows, 24, GetParam());
  const auto graph = Build(column, 2);
  const CellTable& cells = graph->cells();
  ASSERT_EQ(cells.cells(), CellTable::CellsFor(4000));
  EXPECT_EQ(cells.cells(), 125u);
  std::vector<int> seen(4000);
  size_t near = 0;
  std::vector<float> scratch;
  for (uint32_t cell = 0; cell < cells.cells(); ++cell) {
    EXPECT_TRUE(std::is_sorted(cells.nodes(cell).begin(), cells.nodes(cell).end()));
    for (const uint32_t node : cells.nodes(cell)) {
      ++seen[node];
      CodeQuery query;
      graph->codes().Encode(rows[node].data(), query);
      const std::span<const float> keys = cells.Keys(query, scratch);
      const auto nearer =
          std::count_if(keys.begin(), keys.end(), [&](float key) { return key < keys[cell]; });
      near += nearer < 8 ? 1 : 0;
    }
  }
  EXPECT_THAT(seen, testing::Each(1));
  EXPECT_GE(near, 4000u * 8 / 10);
}

TEST_P(Cells, AreTheSameOnAnyNumberOfThreads) {
  const DenseColumn column = MakeColumn(ClusteredVectors(52, 3000, 70, GetParam()), 70, GetParam());
  const auto one = Build(column, 1);
  const auto five = Build(column, 5);
  EXPECT_GT(one->cells().cells(), 0u);
  EXPECT_EQ(one->bytes(), five->bytes());
}

INSTANTIATE_TEST_SUITE_P(Metrics, Cells,
                         testing::Values(Metric::kL2, Metric::kCosine, Metric::kInnerProduct));

TEST(CellTable, FewNodesHaveNoCells) {
  EXPECT_EQ(CellTable::CellsFor(0), 0u);
  EXPECT_EQ(CellTable::CellsFor(CellTable::kMinNodes - 1), 0u);
  EXPECT_EQ(CellTable::CellsFor(1'000'000'000), CellTable::kMaxCells);
}

TEST(CellTable, BrokenArraysAreDataLoss) {
  const DenseColumn column = MakeColumn(ClusteredVectors(53, 2100, 8, Metric::kL2), 8, Metric::kL2);
  const auto codes = *VectorCodes::Build(column, 1);
  constexpr uint32_t kCells = 65;
  const CellLayout layout(2100, kCells, codes->stride());
  const auto parse_changed = [&](size_t at, uint32_t value) {
    AlignedBuffer bytes(layout.size);
    BuildCells(*codes, Metric::kL2, kCells, 1, bytes.data());
    if (at != SIZE_MAX) std::memcpy(bytes.data() + at, &value, sizeof(value));
    CellTable table;
    return CellTable::Parse(bytes.view(), kCells, *codes, table).code();
  };
  EXPECT_EQ(parse_changed(SIZE_MAX, 0), absl::StatusCode::kOk);
  EXPECT_EQ(parse_changed(layout.start, 1), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse_changed(layout.start + 4, 2101), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse_changed(layout.start + 4 * kCells, 2099), absl::StatusCode::kDataLoss);
  EXPECT_EQ(parse_changed(layout.node, 2100), absl::StatusCode::kDataLoss);
  uint32_t second = 0;
  {
    AlignedBuffer bytes(layout.size);
    BuildCells(*codes, Metric::kL2, kCells, 1, bytes.data());
    std::memcpy(&second, bytes.data() + layout.node + 4, 4);
  }
  EXPECT_EQ(parse_changed(layout.node, second), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace vouch
