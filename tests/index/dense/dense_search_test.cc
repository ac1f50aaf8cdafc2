#include "index/dense/dense_search.h"

#include <algorithm>
#include <random>
#include <string>
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
          .codes = graph == nullptr ? nullptr : &graph->codes(),
          .allowed = allowed,
          .allowed_count = allowed == nullptr ? 0 : allowed->Count(),
          .first_row = RowId(0),
          .k = k,
          .ef = ef,
          .first_ef = 0,
          .exact = false,
          .candidates = nullptr};
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
  static constexpr size_t kRows = 20'000;
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
  for (size_t ef : {14u, 64u}) {  // walks and comparisons of all codes
    for (double share : {1.0, 0.9, 0.75, 0.5, 0.25, 0.1}) {
      const auto [recall, exact] = RecallAt(share, ef);
      EXPECT_GE(recall, ef == 14 ? 0.8 : 0.98) << share << " " << ef;
      EXPECT_FALSE(exact) << share;
    }
    for (double share : {0.01, 0.005, 0.0005, 0.0}) {
      const auto [recall, exact] = RecallAt(share, ef);
      EXPECT_DOUBLE_EQ(recall, 1.0) << share;
      if (share > 0.001) {
        EXPECT_TRUE(exact) << share;
      }
    }
  }
}

// The allowed rows are those farthest on one side, so that for most of the queries few or none lie near.
TEST_F(PlannedSearch, RecallHoldsWhereTheAllowedRowsLieTogether) {
  std::vector<std::pair<float, uint32_t>> order;
  for (uint32_t row = 0; row < kRows; ++row) order.emplace_back(-(*vectors_)[row][0], row);
  std::sort(order.begin(), order.end());
  for (const double share : {0.5, 0.2, 0.1, 0.01}) {
    Bitmap allowed(kRows);
    for (size_t i = 0; i < static_cast<size_t>(share * kRows); ++i) allowed.Set(order[i].second);
    double recall = 0;
    int walks = 0, cells = 0, codes = 0, exact = 0;
    for (const auto& query : ClusteredVectors(19, 50, kDim, Metric::kL2)) {
      const SearchRun run = Search(SearchOf(*column_, graph_->get(), 4, 5, &allowed), query);
      exact += run.stats.exact ? 1 : 0;
      cells += run.stats.cells ? 1 : 0;
      codes += run.stats.codes ? 1 : 0;
      walks += !run.stats.exact && !run.stats.cells && !run.stats.codes ? 1 : 0;
      for (const Hit& hit : run.hits) EXPECT_TRUE(allowed.Test(hit.row.value));
      recall += Recall(run.hits, BruteForce(*vectors_, query, Metric::kL2, 4, &allowed)) / 50;
    }
    EXPECT_GE(recall, 0.8) << share;
    EXPECT_EQ(exact, share == 0.01 ? 50 : 0);
    if (share == 0.5) {
      EXPECT_GT(walks, 5);
      EXPECT_GT(cells, 5);
    }
    if (share == 0.2) {
      EXPECT_GT(cells, 25);
    }
    if (share == 0.1) {
      EXPECT_GT(codes, 40);
    }
  }
}

// As docs/architecture.md has them, for a beam of 4.
TEST_F(PlannedSearch, ThePlanFollowsFromHowManyRowsAreAllowed) {
  const std::vector<float> query = ClusteredVectors(20, 1, kDim, Metric::kL2)[0];
  const auto plan = [&](double share) -> std::string {
    const Bitmap allowed = RandomRows(6, kRows, share);
    const DenseSegmentStats stats = Search(SearchOf(*column_, graph_->get(), 4, 4, &allowed), query).stats;
    if (stats.exact) return "exact";
    if (stats.cells) return "cells";
    return stats.codes ? "codes" : "walk";
  };
  EXPECT_EQ(plan(1.0), "walk");
  EXPECT_EQ(plan(0.8), "walk");
  EXPECT_EQ(plan(0.2), "cells");
  EXPECT_EQ(plan(0.1), "codes");
  EXPECT_EQ(plan(0.05), "codes");
  EXPECT_EQ(plan(0.01), "exact");
}

TEST_F(PlannedSearch, ASmallerFirstBeamIsWidenedWhereTheSegmentHasTheBestRows) {
  const std::vector<float> query = ClusteredVectors(20, 1, kDim, Metric::kL2)[0];
  DenseSegmentSearch search = SearchOf(*column_, graph_->get(), 4, 40);
  search.first_ef = 5;
  EXPECT_EQ(Search(search, query).stats.ef, 40u);
  // Another segment had better rows.
  TopHits top(4);
  for (uint64_t row = 0; row < 4; ++row) top.Push({RowId(kRows + row), 0.0f});
  DenseSegmentStats stats;
  ASSERT_TRUE(SearchDenseSegment(search, query.data(), CancelToken(), top, stats).ok());
  EXPECT_EQ(stats.ef, 5u);
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
    const SearchRun run = Search(SearchOf(column, graph.get(), 5, 12, &allowed), query);
    EXPECT_GT(run.stats.ef, 0u);
    recall += Recall(run.hits, BruteForce(vectors, query, Metric::kL2, 5, &allowed)) / 40;
  }
  EXPECT_GE(recall, 0.85);
}

// Half of the rows in a segment with a graph, the others behind it in one with codes by the same axes.
TEST(SharedCandidates, OfTwoSegmentsFewerAreScoredAndTheBestAreFound) {
  const TestVectors rows = ClusteredVectors(41, 4000, 24, Metric::kL2);
  const TestVectors first(rows.begin(), rows.begin() + 2000), second(rows.begin() + 2000, rows.end());
  const DenseColumn first_column = MakeColumn(first, 24, Metric::kL2);
  const DenseColumn second_column = MakeColumn(second, 24, Metric::kL2);
  const auto graph = *BuildGraph(first_column, {.m = 12, .ef_construction = 80}, 2, [](double) { return absl::OkStatus(); });
  const auto codes = *VectorCodes::BuildLike(second_column, graph->codes());
  ASSERT_NE(codes, nullptr);
  double recall = 0;
  uint64_t alone = 0;
  uint64_t shared = 0;
  for (const auto& query : ClusteredVectors(42, 40, 24, Metric::kL2)) {
    DenseCandidates candidates;
    DenseSegmentSearch old_rows = SearchOf(first_column, graph.get(), 10, 40);
    DenseSegmentSearch fresh_rows = SearchOf(second_column, nullptr, 10, 40);
    fresh_rows.codes = codes.get();
    fresh_rows.first_row = RowId(2000);
    alone += Search(fresh_rows, query).stats.distances;
    old_rows.candidates = fresh_rows.candidates = &candidates;
    TopHits top(10);
    DenseSegmentStats old_stats, fresh_stats;
    ASSERT_TRUE(SearchDenseSegment(old_rows, query.data(), CancelToken(), top, old_stats).ok());
    ASSERT_TRUE(SearchDenseSegment(fresh_rows, query.data(), CancelToken(), top, fresh_stats).ok());
    EXPECT_TRUE(fresh_stats.codes);
    shared += fresh_stats.distances;
    recall += Recall(top.TakeSorted(), BruteForce(rows, query, Metric::kL2, 10)) / 40;
  }
  EXPECT_GE(recall, 0.98);
  EXPECT_LT(shared, alone);
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
  for (uint32_t node = 0; node < 4; ++node) EXPECT_EQ(*merged.Values(node, nullptr), node + 1.0f);
  EXPECT_EQ(merged.NodeOf(1), std::nullopt);
  EXPECT_EQ(merged.NodeOf(2), 1u);
  EXPECT_EQ(merged.NodeOf(7), std::nullopt);
}

}  // namespace
}  // namespace vouch
