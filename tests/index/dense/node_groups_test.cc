#include "index/dense/node_groups.h"

#include <algorithm>
#include <set>

#include "gtest/gtest.h"
#include "index/dense/graph_build.h"
#include "tests/index/dense/dense_data.h"

namespace vouch {
namespace {

std::shared_ptr<const Graph> SomeGraph(size_t rows) {
  const DenseColumn column = MakeColumn(ClusteredVectors(5, rows, 12, Metric::kL2), 12, Metric::kL2);
  return *BuildGraph(column, {.m = 4, .ef_construction = 20, .ef_search = 64}, 2, [](double) { return absl::OkStatus(); });
}

std::set<uint32_t> NodesOfLevel(const Graph& graph, uint32_t level) {
  std::set<uint32_t> nodes;
  for (uint32_t node = 0; node < graph.nodes(); ++node) {
    if (graph.levels()[node] >= level) nodes.insert(node);
  }
  return nodes;
}

TEST(NodeGroups, FewNodesAreOneGroup) {
  const auto graph = SomeGraph(1000);
  ASSERT_EQ(graph->cells().cells(), 0u);
  const std::vector<NodeGroups> levels = GroupLevels(graph->codes(), graph->cells(), graph->levels(), 2, {.alone = 10});
  ASSERT_EQ(levels.size(), graph->max_level() + size_t{1});
  for (uint32_t level = 0; level < levels.size(); ++level) {
    EXPECT_EQ(levels[level].groups(), 1u);
    EXPECT_EQ(levels[level].near[0], std::vector<uint32_t>{0});
    EXPECT_EQ(std::set<uint32_t>(levels[level].nodes.begin(), levels[level].nodes.end()), NodesOfLevel(*graph, level));
  }
}

TEST(NodeGroups, ManyAreComparedWithThoseOfNearCells) {
  const auto graph = SomeGraph(4000);
  ASSERT_EQ(graph->cells().cells(), 125u);
  const NodeGroupLimits limits{.alone = 500, .compared = 400, .cells = 5};
  const std::vector<NodeGroups> levels = GroupLevels(graph->codes(), graph->cells(), graph->levels(), 2, limits);
  ASSERT_EQ(levels.size(), graph->max_level() + size_t{1});
  for (uint32_t level = 0; level < levels.size(); ++level) {
    const NodeGroups& groups = levels[level];
    const std::set<uint32_t> expected = NodesOfLevel(*graph, level);
    EXPECT_EQ(groups.nodes.size(), expected.size());
    EXPECT_EQ(std::set<uint32_t>(groups.nodes.begin(), groups.nodes.end()), expected);
    EXPECT_EQ(groups.groups(), expected.size() <= limits.alone ? 1u : 125u);
    for (size_t group = 0; group < groups.groups() && groups.groups() > 1; ++group) {
      if (groups.NodesOf(group).empty()) continue;
      ASSERT_EQ(groups.near[group].front(), group);
      // As many as asked for, and no group more than that takes, none twice.
      size_t nodes = 0;
      for (size_t i = 0; i < groups.near[group].size(); ++i) {
        ASSERT_TRUE(nodes < limits.compared || i < limits.cells);
        nodes += groups.NodesOf(groups.near[group][i]).size();
      }
      EXPECT_GE(nodes, limits.compared);
      EXPECT_GE(groups.near[group].size(), limits.cells);
      EXPECT_EQ(groups.OthersOf(group).size(), nodes);
      EXPECT_EQ(std::set<uint32_t>(groups.near[group].begin(), groups.near[group].end()).size(), groups.near[group].size());
    }
  }
  EXPECT_EQ(levels[0].groups(), 125u);
  EXPECT_EQ(levels[1].groups(), 125u);
  EXPECT_EQ(levels.back().groups(), 1u);
  const std::vector<NodeGroups> alone = GroupLevels(graph->codes(), graph->cells(), graph->levels(), 1, limits);
  for (size_t level = 0; level < levels.size(); ++level) EXPECT_EQ(alone[level].near, levels[level].near) << "threads change nothing";
}

// What is asked for may be more than there is.
TEST(NodeGroups, AllAreNearWhereThereAreNoMore) {
  const auto graph = SomeGraph(2500);
  const std::vector<NodeGroups> levels =
      GroupLevels(graph->codes(), graph->cells(), graph->levels(), 1, {.alone = 0, .compared = 1'000'000});
  size_t nodes = 0;
  for (const uint32_t near : levels[0].near[3]) nodes += levels[0].NodesOf(near).size();
  EXPECT_EQ(nodes, 2500u);
}

// Copies of one vector are near to everything; of so many a sample is compared.
TEST(NodeGroups, OfAVeryLargeGroupSomeAreTaken) {
  const uint32_t large = 3 * static_cast<uint32_t>(NodeGroups::kMostOfGroup) + 7;
  NodeGroups groups{.start = {0, 2, large + 2}, .near = {{0, 1}, {1}}};
  for (uint32_t node = 0; node < large + 2; ++node) groups.nodes.push_back(node);
  const std::vector<uint32_t> others = groups.OthersOf(0);
  ASSERT_EQ(others.size(), NodeGroups::kMostOfGroup + 2);
  EXPECT_TRUE(std::is_sorted(others.begin(), others.end()));
  EXPECT_EQ(std::adjacent_find(others.begin(), others.end()), others.end());
  EXPECT_GT(others.back(), large - 10);
}

}  // namespace
}  // namespace vouch
