#include "index/dense/graph.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/dense/graph_build.h"
#include "tests/index/dense/dense_data.h"
#include "tests/support/plain_links.h"

namespace vouch {
namespace {

const BuildProgress kNoProgress = [](double) { return absl::OkStatus(); };

std::shared_ptr<const Graph> Build(const DenseColumn& column, int m = 16, int ef_construction = 100, int threads = 2) {
  auto graph = BuildGraph(column, {.m = m, .ef_construction = ef_construction, .ef_search = 64}, threads, kNoProgress);
  EXPECT_TRUE(graph.ok()) << graph.status();
  return graph.ok() ? *graph : nullptr;
}

std::vector<uint32_t> WalkedNodes(const Graph& graph, const float* query, size_t ef, uint64_t& distances) {
  WalkScratch scratch;
  graph.codes().Encode(query, scratch.query);
  std::vector<uint32_t> nodes;
  float last = -std::numeric_limits<float>::infinity();
  const BeamEntry start = graph.Descend(scratch.query, distances);
  for (const BeamEntry& entry : graph.Walk(scratch.query, start, ef, scratch, distances)) {
    EXPECT_EQ(entry.key(), graph.codes().Key(scratch.query, entry.node()));
    EXPECT_GE(entry.key(), last);
    last = entry.key();
    nodes.push_back(entry.node());
  }
  return nodes;
}

TEST(Beam, ABatchIsInsertedAsItsEntriesAreOneByOne) {
  std::mt19937_64 random(81);
  for (int turn = 0; turn < 400; ++turn) {
    const size_t ef = 1 + random() % 40;
    Beam one, all;
    one.Begin(ef);
    all.Begin(ef);
    for (uint32_t node = 0; node < 300;) {
      std::vector<BeamEntry> batch;
      for (size_t count = random() % 33; count > 0; --count, ++node) {
        const float key = static_cast<float>(random() % 50) - 25;  // ties are frequent
        if (key <= one.limit()) batch.push_back(BeamEntry::Make(key, node));
      }
      ++node;
      for (const BeamEntry& entry : batch) one.Insert(entry);
      all.InsertAll(batch);
      EXPECT_EQ(one.limit(), all.limit());
      uint32_t first = 0, second = 0;
      ASSERT_EQ(one.TakeNext(first), all.TakeNext(second));
      EXPECT_EQ(first, second);
      ASSERT_EQ(one.entries().size(), all.entries().size());
      for (size_t i = 0; i < one.entries().size(); ++i) ASSERT_EQ(one.entries()[i].bits, all.entries()[i].bits);
    }
  }
}

class GraphRecall : public testing::TestWithParam<Metric> {};

TEST_P(GraphRecall, TheNearestAreInTheBeam) {
  const Metric metric = GetParam();
  for (const uint32_t dim : {24u, 160u}) {  // without and with projection
    const TestVectors rows = ClusteredVectors(7, 3000, dim, metric);
    const TestVectors queries = ClusteredVectors(8, 60, dim, metric);
    const DenseColumn column = MakeColumn(rows, dim, metric);
    const auto graph = Build(column);
    double recall = 0;
    for (const auto& query : queries) {
      uint64_t distances = 0;
      std::vector<Hit> hits;
      for (uint32_t node : WalkedNodes(*graph, query.data(), 64, distances)) hits.push_back({RowId(node), 0});
      EXPECT_EQ(hits.size(), 64u);
      recall += Recall(hits, BruteForce(rows, query, metric, 10));
      EXPECT_GT(distances, 0u);
      EXPECT_LT(distances, 3000u);
    }
    EXPECT_GE(recall / 60, 0.97) << dim;
  }
}

INSTANTIATE_TEST_SUITE_P(Metrics, GraphRecall, testing::Values(Metric::kL2, Metric::kCosine, Metric::kInnerProduct));

// As chunks of a document do: rows that come one after the other are each other's nearest.
TEST(Graph, NearRowsThatComeTogetherFindEachOther) {
  constexpr size_t kRows = 6000, kTogether = 12;
  constexpr uint32_t kDim = 24;
  std::mt19937_64 random(61);
  std::normal_distribution<float> normal;
  TestVectors rows(kRows, std::vector<float>(kDim));
  std::vector<float> centre(kDim);
  for (size_t row = 0; row < kRows; ++row) {
    for (uint32_t d = 0; d < kDim; ++d) {
      if (row % kTogether == 0) centre[d] = normal(random);
      rows[row][d] = centre[d] + 0.3f * normal(random);
    }
  }
  const DenseColumn column = MakeColumn(rows, kDim, Metric::kL2);
  const auto graph = Build(column);
  double recall = 0;
  uint64_t distances = 0;
  for (size_t i = 0; i < 60; ++i) {
    std::vector<Hit> hits;
    for (uint32_t node : WalkedNodes(*graph, rows[i * 97].data(), 30, distances)) hits.push_back({RowId(node), 0});
    recall += Recall(hits, BruteForce(rows, rows[i * 97], Metric::kL2, 10)) / 60;
  }
  EXPECT_GE(recall, 0.97);
}

TEST(Graph, BuildsGiveEqualBytesOnAnyNumberOfThreads) {
  const DenseColumn column = MakeColumn(ClusteredVectors(3, 3000, 70, Metric::kL2), 70, Metric::kL2);
  const auto one = Build(column, 8, 60, 1);
  for (int threads : {2, 5}) {
    const auto other = Build(column, 8, 60, threads);
    EXPECT_EQ(one->bytes(), other->bytes()) << threads;
    EXPECT_EQ(one->codes().bytes(), other->codes().bytes()) << threads;
  }
}

class ExtendedGraph : public testing::TestWithParam<Metric> {
 protected:
  static constexpr uint32_t kDim = 70;
  static constexpr HnswOptions kOptions = {.m = 12, .ef_construction = 80, .ef_search = 64};

  static std::shared_ptr<const Graph> Extend(const DenseColumn& column, const Graph& first, int threads,
                                             int m = kOptions.m) {
    HnswOptions options = kOptions;
    options.m = m;
    return *BuildGraph(column, options, {.first = &first, .alike = nullptr}, threads, kNoProgress);
  }
  static DenseColumn ColumnOf(const TestVectors& rows, size_t count) {
    return MakeColumn(TestVectors(rows.begin(), rows.begin() + static_cast<ptrdiff_t>(count)), kDim, GetParam());
  }
};

TEST_P(ExtendedGraph, FindsOldAndNewRowsAsOneBuiltAtOnce) {
  constexpr size_t kOld = 3000, kAll = 4200;
  const TestVectors rows = ClusteredVectors(71, kAll, kDim, GetParam());
  const DenseColumn column = ColumnOf(rows, kAll);
  const auto first = Build(ColumnOf(rows, kOld), kOptions.m, kOptions.ef_construction);
  const auto graph = Extend(column, *first, 2);
  EXPECT_EQ(graph->codes().axes(), first->codes().axes());
  EXPECT_EQ(graph->codes().fitted_nodes(), kOld);
  EXPECT_EQ(graph->cells().cells(), first->cells().cells());
  std::vector<int> seen(kAll);
  for (uint32_t cell = 0; cell < graph->cells().cells(); ++cell) {
    for (const uint32_t node : graph->cells().nodes(cell)) ++seen[node];
  }
  EXPECT_THAT(seen, testing::Each(1));
  const auto at_once = Build(column, kOptions.m, kOptions.ef_construction);
  const auto recall_of = [&](const Graph& searched, bool new_rows) {
    double recall = 0;
    uint64_t distances = 0;
    for (size_t i = 0; i < 60; ++i) {
      const size_t row = new_rows ? kOld + i * 17 : i * 41;
      std::vector<Hit> hits;
      for (const uint32_t node : WalkedNodes(searched, rows[row].data(), 30, distances)) hits.push_back({RowId(node), 0});
      recall += Recall(hits, BruteForce(rows, rows[row], GetParam(), 10)) / 60;
    }
    return recall;
  };
  for (const bool new_rows : {false, true}) {
    EXPECT_GE(recall_of(*graph, new_rows), recall_of(*at_once, new_rows) - 0.02) << new_rows;
  }
  for (const int threads : {1, 5}) {
    const auto again = Extend(column, *first, threads);
    EXPECT_EQ(again->bytes(), graph->bytes()) << threads;
    EXPECT_EQ(again->codes().bytes(), graph->codes().bytes()) << threads;
  }
}

TEST_P(ExtendedGraph, IsBuiltAnewWhereTheOldOneDoesNotFit) {
  const TestVectors rows = ClusteredVectors(72, 1300, kDim, GetParam());
  const auto first = Build(ColumnOf(rows, 600), kOptions.m, kOptions.ef_construction);
  EXPECT_TRUE(first->MayGrowTo(1200));
  EXPECT_FALSE(first->MayGrowTo(1201));  // more than twice the rows that the axes were found from
  EXPECT_FALSE(first->MayGrowTo(600));
  EXPECT_EQ(Extend(ColumnOf(rows, 1300), *first, 2)->codes().fitted_nodes(), 1300u);
  EXPECT_EQ(Extend(ColumnOf(rows, 900), *first, 2, 8)->m(), 8u);
  EXPECT_EQ(Extend(ColumnOf(rows, 900), *first, 2, 8)->codes().fitted_nodes(), 900u);
  const auto few = Build(ColumnOf(rows, 1300), kOptions.m, kOptions.ef_construction);
  EXPECT_FALSE(few->MayGrowTo(2600));  // which has cells, and these are none
}

INSTANTIATE_TEST_SUITE_P(Metrics, ExtendedGraph,
                         testing::Values(Metric::kL2, Metric::kCosine, Metric::kInnerProduct));

double RecallOf(const Graph& graph, const TestVectors& rows, const TestVectors& queries, Metric metric, size_t ef) {
  double found = 0;
  for (const auto& query : queries) {
    uint64_t distances = 0;
    const std::vector<uint32_t> walked = WalkedNodes(graph, query.data(), ef, distances);
    for (const Hit& hit : BruteForce(rows, query, metric, 10)) {
      found += static_cast<double>(std::count(walked.begin(), walked.end(), hit.row.value));
    }
  }
  return found / 10 / static_cast<double>(queries.size());
}

// Clusters: a list of nearest nodes leads from none to another, the levels above do.
TEST(Graph, LinkedAtOnceItFindsAsMuch) {
  for (const Metric metric : {Metric::kL2, Metric::kCosine, Metric::kInnerProduct}) {
    TestVectors rows = ClusteredVectors(5, 4000, 24, metric, 60);
    for (size_t row = 0; row < rows.size() && metric == Metric::kInnerProduct; ++row) {
      for (float& value : rows[row]) value *= 0.5f + static_cast<float>(row % 10);  // lengths differ
    }
    const TestVectors queries = ClusteredVectors(6, 100, 24, metric, 60);
    const DenseColumn column = MakeColumn(rows, 24, metric);
    const HnswOptions options{.m = 12, .ef_construction = 80, .ef_search = 64};
    const auto vector = [&rows](uint32_t node) -> const std::vector<float>& { return rows[node]; };
    // All nodes of a level together, or each cell's with those of the cells near it.
    for (const NodeGroupLimits& groups : {NodeGroupLimits(), NodeGroupLimits{.alone = 100, .compared = 300, .cells = 4}}) {
      const auto build = [&](int threads) {
        const GraphModels models{.help = {.links = PlainLinksOf(vector, metric)}, .groups = groups};
        auto graph = BuildGraph(column, options, models, threads, kNoProgress);
        EXPECT_TRUE(graph.ok()) << graph.status();
        return *graph;
      };
      const std::shared_ptr<const Graph> inserted = Build(column, 12, 80);
      const std::shared_ptr<const Graph> linked = build(2);
      const double of_inserted = RecallOf(*inserted, rows, queries, metric, 64);
      const double of_linked = RecallOf(*linked, rows, queries, metric, 64);
      EXPECT_GE(of_linked, of_inserted - 0.01) << MetricName(metric) << ", groups of " << groups.alone;
      EXPECT_EQ(build(1)->bytes(), linked->bytes());
      // Nodes that choose each other are linked once.
      for (uint32_t node = 0; node < linked->nodes(); ++node) {
        const auto links = linked->level0().subspan(size_t{node} * 2 * linked->m(), 2 * linked->m());
        std::set<uint32_t> different;
        for (const uint32_t link : links) {
          if (link == kNoNode) continue;
          ASSERT_TRUE(different.insert(link).second) << node << " is linked to " << link << " twice";
        }
      }
    }
  }
}

// A thousand times the same vector, as of empty chunks, hides neither its copies nor what lies around it.
TEST(Graph, CopiesOfAVectorHideNothing) {
  TestVectors rows = ClusteredVectors(5, 3000, 16, Metric::kL2, 20);
  for (size_t row = 0; row < 3000; row += 3) rows[row] = rows[0];
  TestVectors queries;
  for (size_t row = 1; row < 3000; row += 30) queries.push_back(rows[row]);
  const DenseColumn column = MakeColumn(rows, 16, Metric::kL2);
  const auto vector = [&rows](uint32_t node) -> const std::vector<float>& { return rows[node]; };
  const GraphModels models{.help = {.links = PlainLinksOf(vector, Metric::kL2)}};
  const auto linked = *BuildGraph(column, {.m = 12, .ef_construction = 80, .ef_search = 64}, models, 2, kNoProgress);
  size_t found = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    uint64_t distances = 0;
    const std::vector<uint32_t> walked = WalkedNodes(*linked, queries[i].data(), 64, distances);
    found += std::count(walked.begin(), walked.end(), 1 + 30 * i);
  }
  EXPECT_GE(found, 97u) << "of 100 rows that are no copies";
  // Nearly every copy is linked to.
  std::set<uint32_t> targets(linked->level0().begin(), linked->level0().end());
  size_t copies = 0;
  for (uint32_t node = 0; node < 3000; node += 3) copies += targets.count(node);
  EXPECT_GE(copies, 990u);
}

TEST(Graph, WhoeverChoosesNoLinksCostsNothing) {
  const TestVectors rows = ClusteredVectors(5, 500, 8, Metric::kL2);
  const DenseColumn column = MakeColumn(rows, 8, Metric::kL2);
  const HnswOptions options{.m = 8, .ef_construction = 40, .ef_search = 64};
  const auto plain = BuildGraph(column, options, 1, kNoProgress);
  for (const bool shorter : {false, true}) {
    using Links = absl::StatusOr<std::vector<std::vector<uint32_t>>>;
    const ChooseLinks fails = [&](const DenseColumn&, std::span<const NodeGroups> levels, LinkCounts, const BuildProgress&) -> Links {
      if (shorter) return std::vector<std::vector<uint32_t>>(levels.size(), std::vector<uint32_t>(3));
      return absl::UnavailableError("the device is lost");
    };
    const auto built = BuildGraph(column, options, {.help = {.links = fails}}, 1, kNoProgress);
    ASSERT_TRUE(built.ok());
    EXPECT_EQ((*built)->bytes(), (*plain)->bytes());
  }
}

// Whatever is named as links, the graph keeps its invariants, which Parse checks.
TEST(Graph, LinksThatAreNoneAreLeftOut) {
  const TestVectors rows = ClusteredVectors(5, 500, 8, Metric::kL2);
  const DenseColumn column = MakeColumn(rows, 8, Metric::kL2);
  const HnswOptions options{.m = 4, .ef_construction = 40, .ef_search = 64};
  using Links = absl::StatusOr<std::vector<std::vector<uint32_t>>>;
  const ChooseLinks random_links = [](const DenseColumn&, std::span<const NodeGroups> levels, LinkCounts counts,
                                      const BuildProgress&) -> Links {
    std::mt19937_64 random(9);
    std::vector<std::vector<uint32_t>> links;
    for (const NodeGroups& level : levels) {
      std::vector<uint32_t>& of_level = links.emplace_back(level.nodes.size() * counts.links);
      for (uint32_t& link : of_level) link = random() % 5 == 0 ? static_cast<uint32_t>(random()) : random() % 500;
    }
    return links;
  };
  const auto built = BuildGraph(column, options, {.help = {.links = random_links}}, 2, kNoProgress);
  ASSERT_TRUE(built.ok()) << built.status();
  for (uint32_t node = 0; node < 500; ++node) {
    const auto links = (*built)->level0().subspan(size_t{node} * 8, 8);
    EXPECT_EQ(std::count(links.begin(), links.end(), node), 0) << "a node is linked to itself";
  }
  EXPECT_EQ(*std::max_element((*built)->levels().begin(), (*built)->levels().end()), (*built)->max_level());
}

TEST(Graph, ABuildOfLinksMayBeEnded) {
  const TestVectors rows = ClusteredVectors(5, 500, 8, Metric::kL2);
  const DenseColumn column = MakeColumn(rows, 8, Metric::kL2);
  const auto vector = [&rows](uint32_t node) -> const std::vector<float>& { return rows[node]; };
  const auto build = [&](const BuildProgress& progress) {
    return BuildGraph(column, {.m = 8, .ef_construction = 40, .ef_search = 64},
                      {.help = {.links = PlainLinksOf(vector, Metric::kL2)}}, 1, progress);
  };
  std::vector<double> fractions;
  EXPECT_TRUE(build([&](double fraction) {
                fractions.push_back(fraction);
                return absl::OkStatus();
              }).ok());
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_GT(fractions.size(), 4u);
  // Wherever it is asked.
  for (size_t stop = 0; stop < fractions.size(); ++stop) {
    size_t asked = 0;
    const auto built = build([&](double) { return asked++ == stop ? absl::CancelledError("stop") : absl::OkStatus(); });
    EXPECT_EQ(built.status().code(), absl::StatusCode::kCancelled) << stop;
    EXPECT_EQ(asked, stop + 1);
  }
}

TEST(Graph, CodesByOtherAxesWhereTheySuit) {
  const TestVectors rows = ClusteredVectors(73, 2000, 70, Metric::kL2);
  const auto large = Build(MakeColumn(rows, 70, Metric::kL2), 8, 60);
  const TestVectors few(rows.begin() + 500, rows.begin() + 1200);
  const auto alike = *BuildGraph(MakeColumn(few, 70, Metric::kL2), {.m = 8, .ef_construction = 60},
                                 {.first = nullptr, .alike = &large->codes()}, 2, kNoProgress);
  EXPECT_EQ(alike->codes().axes(), large->codes().axes());
  EXPECT_EQ(alike->nodes(), 700u);
}

TEST(Graph, TinyGeometry) {
  const DenseColumn one = MakeColumn({{2.5f}}, 1, Metric::kL2);
  uint64_t distances = 0;
  const float query = 1;
  EXPECT_THAT(WalkedNodes(*Build(one), &query, 10, distances), testing::ElementsAre(0));

  const DenseColumn equal = MakeColumn(TestVectors(200, {1.0f, 1.0f}), 2, Metric::kL2);
  const float origin[2] = {0, 0};
  EXPECT_EQ(WalkedNodes(*Build(equal, 4), origin, 5, distances).size(), 5u);
}

TEST(Graph, SmallestAndLargestDimensions) {
  for (const uint32_t dim : {1u, 4096u}) {
    const TestVectors rows = ClusteredVectors(9, 120, dim, Metric::kL2);
    const DenseColumn column = MakeColumn(rows, dim, Metric::kL2);
    uint64_t distances = 0;
    EXPECT_THAT(WalkedNodes(*Build(column), rows[77].data(), 20, distances), testing::Contains(77u)) << dim;
  }
}

TEST(Graph, RefusesOptionsOutOfRange) {
  const DenseColumn none = MakeColumn({}, 3, Metric::kL2);
  EXPECT_EQ(BuildGraph(none, {}, 1, kNoProgress).status().code(), absl::StatusCode::kInvalidArgument);
  const DenseColumn one = MakeColumn({{1, 2, 3}}, 3, Metric::kL2);
  EXPECT_EQ(BuildGraph(one, {.m = 1}, 1, kNoProgress).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BuildGraph(one, {.m = 129}, 1, kNoProgress).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Graph, ABuildStopsWhenAsked) {
  const DenseColumn column = MakeColumn(ClusteredVectors(3, 2000, 8, Metric::kL2), 8, Metric::kL2);
  double last = 0;
  const auto graph = BuildGraph(column, {}, 2, [&](double fraction) {
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
    return Graph::Parse(copy->view().substr(0, bytes_.size() - cut), codes_, copy).status();
  }
  static void Put(char* at, uint32_t value) { std::memcpy(at, &value, 4); }

  DenseColumn column_ = MakeColumn(ClusteredVectors(3, 500, 8, Metric::kL2), 8, Metric::kL2);
  std::shared_ptr<const Graph> graph_ = Build(column_, 4);
  std::shared_ptr<const VectorCodes> codes_ =
      *VectorCodes::Parse(graph_->codes().bytes(), column_.nodes(), column_.dim(), column_.metric(), graph_);
  std::string_view bytes_ = graph_->bytes();
};

TEST_F(GraphBytes, RoundTrip) {
  EXPECT_TRUE(ParseChanged([](char*) {}).ok());
  const DenseColumn fewer = MakeColumn(ClusteredVectors(3, 499, 8, Metric::kL2), 8, Metric::kL2);
  EXPECT_EQ(Graph::Parse(bytes_, *VectorCodes::Build(fewer, 1), nullptr).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(GraphBytes, BrokenInvariantsAreDataLoss) {
  const GraphLayout layout(500, 4, 0, 0, codes_->stride());
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
  expect_loss([](char* at) { Put(at + 24, 3); });          // cells
  expect_loss([](char* at) { Put(at + 24, 501); });
  expect_loss([&](char* at) { at[layout.levels + 17] = 9; });
  expect_loss([&](char* at) { Put(at + layout.level0 + 400, 500); });
  // An upper link to a node that lies on level 0 alone.
  uint32_t low = 0;
  while (bytes_[layout.levels + low] != 0) ++low;
  expect_loss([&](char* at) { Put(at + layout.upper, low); });
}

}  // namespace
}  // namespace vouch
