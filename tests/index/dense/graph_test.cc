#include "index/dense/graph.h"

#include <cstring>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/dense/graph_build.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {
namespace {

const BuildProgress kNoProgress = [](double) { return absl::OkStatus(); };

std::shared_ptr<const Graph> Build(const DenseColumn& column, int m = 16, int ef_construction = 100) {
  auto graph = BuildGraph(column, {.m = m, .ef_construction = ef_construction, .ef_search = 64}, kNoProgress);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *graph : nullptr;
}

class GraphRecall : public testing::TestWithParam<Metric> {};

TEST_P(GraphRecall, ReachesTheFloor) {
  const Metric metric = GetParam();
  const TestVectors rows = ClusteredVectors(7, 4000, 24, metric);
  const TestVectors queries = ClusteredVectors(8, 100, 24, metric);
  const DenseColumn column = MakeColumn(rows, 24, metric);
  const auto graph = Build(column);
  double recall = 0;
  for (const auto& query : queries) {
    uint64_t distances = 0;
    std::vector<Hit> hits;
    for (const BeamEntry& entry : graph->Walk(column, query.data(), 64, distances)) {
      hits.push_back({RowId(entry.node()), ScoreOfDistance(entry.distance())});
    }
    EXPECT_EQ(hits.size(), 64u);
    EXPECT_TRUE(std::is_sorted(hits.begin(), hits.end()));
    hits.resize(10);
    recall += Recall(hits, BruteForce(rows, query, metric, 10));
    EXPECT_GT(distances, 0u);
    EXPECT_LT(distances, 4000u);
  }
  EXPECT_GE(recall / 100, 0.95);
}

INSTANTIATE_TEST_SUITE_P(Metrics, GraphRecall, testing::Values(Metric::kL2, Metric::kCosine, Metric::kInnerProduct));

TEST(Graph, TwoBuildsGiveEqualBytes) {
  const DenseColumn column = MakeColumn(ClusteredVectors(3, 1500, 12, Metric::kL2), 12, Metric::kL2);
  EXPECT_EQ(Build(column)->bytes(), Build(column)->bytes());
}

TEST(Graph, ScoresAreThoseOfTheKernels) {
  const TestVectors rows = ClusteredVectors(5, 300, 7, Metric::kInnerProduct);
  const DenseColumn column = MakeColumn(rows, 7, Metric::kInnerProduct);
  uint64_t distances = 0;
  for (const BeamEntry& entry : Build(column)->Walk(column, rows[11].data(), 50, distances)) {
    EXPECT_EQ(entry.distance(), AvailableKernels()[0].negative_ip(rows[11].data(), rows[entry.node()].data(), 7));
  }
}

TEST(Graph, TinyGeometry) {
  const DenseColumn one = MakeColumn({{2.5f}}, 1, Metric::kL2);
  uint64_t distances = 0;
  const float query = 1;
  auto found = Build(one)->Walk(one, &query, 10, distances);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].distance(), 2.25f);

  const DenseColumn equal = MakeColumn(TestVectors(200, {1.0f, 1.0f}), 2, Metric::kL2);
  const float origin[2] = {0, 0};
  found = Build(equal, 4)->Walk(equal, origin, 5, distances);
  ASSERT_EQ(found.size(), 5u);
  for (const BeamEntry& entry : found) EXPECT_EQ(entry.distance(), 2.0f);
}

TEST(Graph, RefusesWhatFaissWouldAbortOn) {
  const DenseColumn none = MakeColumn({}, 3, Metric::kL2);
  EXPECT_EQ(BuildGraph(none, {}, kNoProgress).status().code(), absl::StatusCode::kInvalidArgument);
  const DenseColumn one = MakeColumn({{1, 2, 3}}, 3, Metric::kL2);
  EXPECT_EQ(BuildGraph(one, {.m = 1}, kNoProgress).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BuildGraph(one, {.m = 129}, kNoProgress).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Graph, ABuildStopsWhenAsked) {
  const DenseColumn column = MakeColumn(ClusteredVectors(3, 2000, 8, Metric::kL2), 8, Metric::kL2);
  double last = 0;
  const auto graph = BuildGraph(column, {}, [&](double fraction) {
    last = fraction;
    return fraction < 0.4 ? absl::OkStatus() : absl::CancelledError("stop");
  });
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kCancelled);
  EXPECT_LT(last, 0.7);
}

class GraphBytes : public testing::Test {
 protected:
  // Parses a copy of a valid graph's bytes after `change`.
  absl::Status ParseChanged(const std::function<void(char*)>& change, size_t cut = 0) {
    auto copy = std::make_shared<AlignedBuffer>(bytes_.size());
    std::memcpy(copy->data(), bytes_.data(), bytes_.size());
    change(copy->data());
    return Graph::Parse(copy->view().substr(0, bytes_.size() - cut), 500, copy).status();
  }
  static void Put(char* at, uint32_t value) { std::memcpy(at, &value, 4); }

  DenseColumn column_ = MakeColumn(ClusteredVectors(3, 500, 8, Metric::kL2), 8, Metric::kL2);
  std::shared_ptr<const Graph> graph_ = Build(column_, 4);
  std::string_view bytes_ = graph_->bytes();
};

TEST_F(GraphBytes, RoundTrip) {
  EXPECT_TRUE(ParseChanged([](char*) {}).ok());
  EXPECT_EQ(Graph::Parse(bytes_, 499, nullptr).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(GraphBytes, BrokenInvariantsAreDataLoss) {
  const GraphLayout layout(500, 4, 0);
  const auto expect_loss = [&](const std::function<void(char*)>& change) {
    EXPECT_EQ(ParseChanged(change).code(), absl::StatusCode::kDataLoss);
  };
  EXPECT_EQ(ParseChanged([](char*) {}, 64).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseChanged([](char*) {}, bytes_.size()).code(), absl::StatusCode::kDataLoss);
  expect_loss([](char* at) { Put(at + 4, 0); });           // m
  expect_loss([](char* at) { Put(at + 4, 5); });
  expect_loss([](char* at) { Put(at + 8, 500); });         // entry
  expect_loss([](char* at) { Put(at + 12, 64); });         // highest level
  expect_loss([](char* at) { Put(at + 16, 1u << 30); });   // blocks
  expect_loss([&](char* at) { at[layout.levels + 17] = 9; });
  expect_loss([&](char* at) { Put(at + layout.level0 + 400, 500); });
  // An upper link to a node that lies on level 0 alone.
  uint32_t low = 0;
  while (bytes_[layout.levels + low] != 0) ++low;
  expect_loss([&](char* at) { Put(at + layout.upper, low); });
}

}  // namespace
}  // namespace vouch
