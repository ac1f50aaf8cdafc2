#include "api/cli/lineage_svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>

namespace vouch {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::LineageGraph Graph() {
  v1::LineageGraph graph;
  const auto node = [&](const char* kind, const std::string& id, const std::string& label) {
    v1::LineageNode* added = graph.add_nodes();
    added->set_kind(kind);
    added->set_id(id);
    added->set_label(label);
  };
  const auto edge = [&](uint32_t from, uint32_t to, const char* what) {
    v1::LineageEdge* added = graph.add_edges();
    added->set_from(from);
    added->set_to(to);
    added->set_what(what);
  };
  node("answer", "a1", "Is <b>&\"this\"</b> safe?");
  node("chunk", "docs/x#0", "x#0");
  node("chunk", "docs/x#1", "x#1");
  node("document", "x.md", std::string(100, 'l') + "ä.md");
  edge(0, 1, "cited");
  edge(0, 2, "retrieved");
  edge(1, 3, "part of");
  edge(2, 3, "part of");
  return graph;
}

struct Box {
  double x = 0;
  double y = 0;
};
std::vector<Box> BoxesOf(const std::string& svg) {
  pugi::xml_document document;
  EXPECT_TRUE(document.load_string(svg.c_str()));
  std::vector<Box> boxes;
  for (const pugi::xml_node group : document.child("svg").children("g")) {
    const pugi::xml_node rect = group.child("rect");
    boxes.push_back({rect.attribute("x").as_double(), rect.attribute("y").as_double()});
  }
  return boxes;
}

TEST(LineageSvg, LayersFollowTheEdgesAndBoxesDoNotOverlap) {
  const std::vector<Box> boxes = BoxesOf(LineageSvg(Graph()));
  ASSERT_EQ(boxes.size(), 4u);
  EXPECT_LT(boxes[0].x, boxes[1].x);
  EXPECT_EQ(boxes[1].x, boxes[2].x);
  EXPECT_LT(boxes[2].x, boxes[3].x);
  EXPECT_GE(std::abs(boxes[1].y - boxes[2].y), 40);
}

TEST(LineageSvg, TextsAreEscapedAndCut) {
  const std::string svg = LineageSvg(Graph());
  EXPECT_THAT(svg, HasSubstr("Is &lt;b&gt;&amp;&quot;this&quot;&lt;/b&gt; safe?"));
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
  EXPECT_THAT(svg, HasSubstr("…"));
  v1::LineageGraph hostile = Graph();
  hostile.mutable_nodes(0)->set_label(std::string("a\0b\x01", 4));
  EXPECT_FALSE(BoxesOf(LineageSvg(hostile)).empty());
}

TEST(LineageSvg, TakesAnyGraph) {
  EXPECT_TRUE(BoxesOf(LineageSvg(v1::LineageGraph())).empty());
  v1::LineageGraph cycle = Graph();
  v1::LineageEdge* back = cycle.add_edges();
  back->set_from(3);
  back->set_to(0);
  v1::LineageEdge* far = cycle.add_edges();
  far->set_from(99);
  far->set_to(1);
  EXPECT_EQ(BoxesOf(LineageSvg(cycle)).size(), 4u);
  EXPECT_EQ(LineageSvg(Graph()), LineageSvg(Graph()));
}

}  // namespace
}  // namespace vouch
