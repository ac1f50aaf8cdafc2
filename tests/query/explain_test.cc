#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ExplainTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    std::vector<PointInput> points;
    for (uint64_t i = 0; i < 30; ++i) {
      const std::string text = i % 3 == 0 ? "red fox red" : i % 3 == 1 ? "red deer" : "grey wolf";
      points.push_back(Point(i, {static_cast<float>(i % 7), static_cast<float>(i % 5)},
                             "{\"text\":\"" + text + "\",\"year\":" + std::to_string(i) + "}"));
    }
    Upsert(std::move(points));
  }

  SearchResponse Explained(QueryNode query) const {
    SearchRequest request = Request(std::move(query), 30);
    request.explain = true;
    request.filter = Compare("year", FilterOp::kGe, int64_t{5});
    return Search(request);
  }

  // The contributions of the node's children, in order, are its score to the last bit.
  static void ExpectAddsUp(const PointHit& hit, const std::string& node) {
    double score = -1;
    double sum = 0;
    for (const NodeScore& part : hit.explanation) {
      if (part.node == node) score = part.score;
      const std::string below =
          part.node.starts_with(node + "[") ? part.node.substr(node.size()) : "";
      const size_t close = below.find("].");
      if (!below.empty() && below.find("].", close + 2) == std::string::npos)
        sum += part.contribution;
    }
    if (score >= 0) {
      EXPECT_EQ(sum, score) << node;
    }
  }
};

TEST_F(ExplainTest, ContributionsAddUpThroughNestedFusions) {
  const SearchResponse response =
      Explained(Fuse({Dense({2, 2}), Fuse({Text("red fox"), Dense({0, 0})}, 10, {0.3, 0.7}), All()},
                     60, {1.5, 2, 0.1}));
  ASSERT_EQ(response.hits.size(), 25u);
  for (const PointHit& hit : response.hits) {
    ASSERT_FALSE(hit.explanation.empty());
    EXPECT_EQ(hit.explanation[0].node, "fuse");
    EXPECT_EQ(hit.explanation[0].score, hit.score);
    EXPECT_EQ(hit.explanation[0].contribution, hit.score);
    ExpectAddsUp(hit, "fuse");
    ExpectAddsUp(hit, "fuse[1].fuse");
  }
}

TEST_F(ExplainTest, RanksAreThoseOfTheLists) {
  const SearchResponse fused = Explained(Fuse({Dense({2, 2}), Text("red fox")}));
  const SearchResponse dense = Explained(Dense({2, 2}));
  ASSERT_EQ(dense.hits.size(), 25u);
  for (const PointHit& hit : fused.hits) {
    for (const NodeScore& part : hit.explanation) {
      if (part.node != "fuse[0].dense(v)") continue;
      const PointHit& alone = dense.hits[part.rank - 1];
      EXPECT_EQ(alone.id, hit.id);
      EXPECT_EQ(alone.score, part.score);
      EXPECT_EQ(part.contribution, 1.0 / (60 + part.rank));
    }
  }
}

TEST_F(ExplainTest, TermsAddUpToTheTextScore) {
  const SearchResponse response = Explained(Text("red fox"));
  ASSERT_FALSE(response.hits.empty());
  for (const PointHit& hit : response.hits) {
    ASSERT_EQ(hit.explanation.size(), 1u);
    EXPECT_EQ(hit.explanation[0].node, "text(body)");
    double sum = 0;
    for (const TermContribution& term : hit.explanation[0].terms) sum += term.score;
    EXPECT_EQ(static_cast<float>(sum), static_cast<float>(hit.score));
  }
}

TEST_F(ExplainTest, ThePlanNamesFiltersAndNodes) {
  QueryNode text = Text("red");
  text.filter = Compare("year", FilterOp::kLt, int64_t{10});
  const SearchResponse response = Explained(Fuse({Dense({0, 0}), text}));
  EXPECT_EQ(response.visible_rows, 30u);
  EXPECT_EQ(response.allowed_rows, 25u);
  std::vector<std::string> nodes;
  for (const PlanStep& step : response.plan) nodes.push_back(step.node);
  EXPECT_THAT(nodes, ElementsAre("filter[0]", "filter[1]", "fuse", "fuse[0].dense(v)",
                                 "fuse[1].text(body)"));
  EXPECT_THAT(response.plan[0].plan, HasSubstr("25 of 30 visible rows allowed"));
  EXPECT_THAT(response.plan[1].plan, HasSubstr("5 of 30 visible rows allowed, expected 0 to 30"));
  EXPECT_THAT(response.plan[2].plan, HasSubstr("rrf k=60 over 2 lists"));
  EXPECT_THAT(response.plan[4].plan, HasSubstr("limit 120, filter[1]"));
  EXPECT_EQ(response.plan[3].hits, 25u);
  EXPECT_FALSE(response.build_ids.empty());
}

TEST_F(ExplainTest, ExplainChangesNoResult) {
  SearchRequest request = Request(Fuse({Dense({1, 1}), Text("fox wolf")}), 12);
  const SearchResponse plain = Search(request);
  request.explain = true;
  const SearchResponse explained = Search(request);
  ASSERT_EQ(plain.hits.size(), explained.hits.size());
  for (size_t i = 0; i < plain.hits.size(); ++i) {
    EXPECT_EQ(plain.hits[i].id, explained.hits[i].id);
    EXPECT_EQ(plain.hits[i].score, explained.hits[i].score);
    EXPECT_TRUE(plain.hits[i].explanation.empty());
  }
  EXPECT_TRUE(plain.plan.empty());
  EXPECT_EQ(plain.next_cursor, explained.next_cursor);
}

}  // namespace
}  // namespace vouch
