#include "index/dense/dense_search.h"

#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/dense/graph_build.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;

struct SearchRun {
  std::vector<Hit> hits;
  DenseSegmentStats stats;
};

SearchRun Search(const DenseSegmentSearch& search, const std::vector<float>& query) {
  TopHits top(search.k);
  SearchRun run;
  EXPECT_TRUE(SearchDenseSegment(search, query.data(), CancelToken(), top, run.stats).ok());
  run.hits = top.TakeSorted();
  return run;
}

DenseSegmentSearch SearchOf(const DenseColumn& column, const Graph* graph, size_t k, size_t ef,
                            const Bitmap* allowed = nullptr) {
  return {.column = &column,
          .graph = graph,
          .allowed = allowed,
          .allowed_count = allowed == nullptr ? 0 : allowed->Count(),
          .first_row = RowId(0),
          .k = k,
          .ef = ef,
          .exact = false};
}

Bitmap RandomRows(uint64_t seed, size_t rows, double share) {
  std::mt19937_64 random(seed);
  std::bernoulli_distribution keep(share);
  Bitmap bitmap(rows);
  for (size_t i = 0; i < rows; ++i) {
    if (keep(random)) bitmap.Set(i);
  }
  return bitmap;
}

TEST(TopHits, KeepsTheBestInTotalOrder) {
  TopHits top(3);
  for (uint64_t row : {9, 2, 7, 4}) top.Push({RowId(row), 1.0f});
  top.Push({RowId(11), 2.0f});
  top.Push({RowId(0), 0.5f});
  EXPECT_THAT(top.TakeSorted(), ElementsAre(Hit{RowId(11), 2.0f}, Hit{RowId(2), 1.0f}, Hit{RowId(4), 1.0f}));
  TopHits none(0);
  none.Push({RowId(1), 1.0f});
  EXPECT_TRUE(none.TakeSorted().empty());
}

TEST(FlatSearch, EqualsBruteForceForEveryShape) {
  std::mt19937_64 random(99);
  for (int round = 0; round < 60; ++round) {
    const auto dim = static_cast<uint32_t>(1 + random() % 40);
    const size_t rows = random() % 90;
    const size_t k = random() % 30;
    const Metric metric = round % 2 == 0 ? Metric::kL2 : Metric::kInnerProduct;
    SCOPED_TRACE(testing::Message() << "round " << round << " dim " << dim << " rows " << rows << " k " << k);
    TestVectors vectors = ClusteredVectors(random(), rows, dim, metric, 3);
    for (auto& vector : vectors) {
      if (round % 3 == 0 && random() % 4 == 0) vector.clear();        // rows without a vector
      if (random() % 5 == 0) vector = vectors[random() % rows];       // equal vectors
    }
    const std::vector<float> query = ClusteredVectors(random(), 1, dim, metric)[0];
    const DenseColumn column = MakeColumn(vectors, dim, metric);
    const Bitmap allowed = RandomRows(random(), rows, 0.5);
    EXPECT_EQ(Search(SearchOf(column, nullptr, k, 10), query).hits, BruteForce(vectors, query, metric, k));
    EXPECT_EQ(Search(SearchOf(column, nullptr, k, 10, &allowed), query).hits,
              BruteForce(vectors, query, metric, k, &allowed));
  }
}

TEST(FlatSearch, AnOrderOfRowsWithinTies) {
  const DenseColumn column = MakeColumn({{1, 0}, {0, 1}, {1, 0}, {-1, 0}, {0, -1}}, 2, Metric::kL2);
  EXPECT_THAT(Search(SearchOf(column, nullptr, 4, 0), {0, 0}).hits,
              ElementsAre(Hit{RowId(0), -1.0f}, Hit{RowId(1), -1.0f}, Hit{RowId(2), -1.0f}, Hit{RowId(3), -1.0f}));
}

class PlannedSearch : public testing::Test {
 protected:
  static constexpr size_t kRows = 6000;
  static constexpr uint32_t kDim = 16;

  static void SetUpTestSuite() {
    vectors_ = new TestVectors(ClusteredVectors(17, kRows, kDim, Metric::kL2));
    column_ = new DenseColumn(MakeColumn(*vectors_, kDim, Metric::kL2));
    graph_ = new std::shared_ptr<const Graph>(
        *BuildGraph(*column_, {.m = 12, .ef_construction = 80}, 2, [](double) { return absl::OkStatus(); }));
  }
  static void TearDownTestSuite() {
    delete graph_;
    delete column_;
    delete vectors_;
  }
  // Recall of 50 queries with the share of rows allowed at random, and whether the last was exact.
  std::pair<double, bool> RecallAt(double share, size_t ef) {
    const Bitmap allowed = RandomRows(5, kRows, share);
    double recall = 0;
    bool exact = false;
    for (const auto& query : ClusteredVectors(18, 50, kDim, Metric::kL2)) {
      const SearchRun run = Search(SearchOf(*column_, graph_->get(), 10, ef, &allowed), query);
      for (const Hit& hit : run.hits) EXPECT_TRUE(allowed.Test(hit.row.value));
      recall += Recall(run.hits, BruteForce(*vectors_, query, Metric::kL2, 10, &allowed)) / 50;
      exact = run.stats.exact;
    }
    return {recall, exact};
  }

  static TestVectors* vectors_;
  static DenseColumn* column_;
  static std::shared_ptr<const Graph>* graph_;
};
TestVectors* PlannedSearch::vectors_ = nullptr;
DenseColumn* PlannedSearch::column_ = nullptr;
std::shared_ptr<const Graph>* PlannedSearch::graph_ = nullptr;

TEST_F(PlannedSearch, RecallHoldsAtEverySelectivity) {
  for (size_t ef : {8u, 64u}) {  // walks and comparisons of all codes
    for (double share : {1.0, 0.9, 0.75, 0.5, 0.25, 0.1}) {
      const auto [recall, exact] = RecallAt(share, ef);
      EXPECT_GE(recall, ef == 8 ? 0.8 : 0.98) << share << " " << ef;
      EXPECT_FALSE(exact) << share;
    }
    for (double share : {0.02, 0.01, 0.001, 0.0}) {
      const auto [recall, exact] = RecallAt(share, ef);
      EXPECT_DOUBLE_EQ(recall, 1.0) << share;
      if (share > 0.001) {
        EXPECT_TRUE(exact) << share;
      }
    }
  }
}

// The allowed rows are those on one side of a plane, so that for half of the queries none lies near.
TEST_F(PlannedSearch, RecallHoldsWhereTheAllowedRowsLieTogether) {
  Bitmap allowed(kRows);
  size_t count = 0;
  for (size_t row = 0; row < kRows; ++row) {
    if ((*vectors_)[row][0] <= 0) continue;
    allowed.Set(row);
    ++count;
  }
  ASSERT_GT(count, kRows / 4);
  double recall = 0;
  uint64_t walks = 0;
  for (const auto& query : ClusteredVectors(19, 50, kDim, Metric::kL2)) {
    DenseSegmentSearch search = SearchOf(*column_, graph_->get(), 4, 7, &allowed);
    const SearchRun run = Search(search, query);
    walks += run.stats.ef > 0 && !run.stats.exact ? 1 : 0;
    for (const Hit& hit : run.hits) EXPECT_TRUE(allowed.Test(hit.row.value));
    recall += Recall(run.hits, BruteForce(*vectors_, query, Metric::kL2, 4, &allowed)) / 50;
  }
  EXPECT_GE(walks, 45u);
  EXPECT_GE(recall, 0.8);
}

TEST_F(PlannedSearch, ExactOnRequestAndForLargeK) {
  const std::vector<float> query = ClusteredVectors(21, 1, kDim, Metric::kL2)[0];
  DenseSegmentSearch search = SearchOf(*column_, graph_->get(), 10, 64);
  EXPECT_FALSE(Search(search, query).stats.exact);
  search.exact = true;
  const SearchRun run = Search(search, query);
  EXPECT_TRUE(run.stats.exact);
  EXPECT_EQ(run.stats.distances, kRows);
  search.exact = false;
  search.k = 2 * kRows;
  EXPECT_EQ(Search(search, query).hits, BruteForce(*vectors_, query, Metric::kL2, 2 * kRows));
}

TEST_F(PlannedSearch, RowsWithoutVectorsAreNoNodes) {
  TestVectors vectors = *vectors_;
  for (size_t row = 0; row < kRows; row += 3) vectors[row].clear();
  const DenseColumn column = MakeColumn(vectors, kDim, Metric::kL2);
  const auto graph = *BuildGraph(column, {.m = 12, .ef_construction = 80}, 2, [](double) { return absl::OkStatus(); });
  const Bitmap allowed = RandomRows(5, kRows, 0.7);
  double recall = 0;
  for (const auto& query : ClusteredVectors(23, 40, kDim, Metric::kL2)) {
    const SearchRun run = Search(SearchOf(column, graph.get(), 5, 5, &allowed), query);
    EXPECT_GT(run.stats.ef, 0u);
    recall += Recall(run.hits, BruteForce(vectors, query, Metric::kL2, 5, &allowed)) / 40;
  }
  EXPECT_GE(recall, 0.8);
}

TEST(DenseColumn, MergeKeepsRowsInOrder) {
  const DenseColumn a = MakeColumn({{1}, {}, {2}}, 1, Metric::kL2);
  const DenseColumn b = MakeColumn({{3}, {4}}, 1, Metric::kL2);
  const DenseColumn none = MakeColumn({}, 1, Metric::kL2);
  const DenseColumn* parts[] = {&a, &none, &b};
  const DenseColumn merged = *DenseColumn::Merge(TestField(1, Metric::kL2), parts);
  EXPECT_EQ(merged.segment_rows(), 5u);
  EXPECT_EQ(merged.nodes(), 4u);
  EXPECT_THAT(merged.rows(), ElementsAre(0, 2, 3, 4));
  EXPECT_THAT(merged.vectors(), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(merged.NodeOf(1), std::nullopt);
  EXPECT_EQ(merged.NodeOf(2), 1u);
  EXPECT_EQ(merged.NodeOf(7), std::nullopt);
}

}  // namespace
}  // namespace vouch
