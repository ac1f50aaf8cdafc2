// Feedback and reliability as searches see them; the random trees of model_test.cc hold the
// results.
#include <cmath>

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

QueryNode Learned(std::string text, Rm3 rm3 = {.documents = 1, .terms = 5}) {
  QueryNode node = Text(std::move(text));
  std::get<TextLeaf>(node.node).feedback = rm3;
  return node;
}
QueryNode Moved(std::vector<float> vector, Rocchio rocchio) {
  QueryNode node = Dense(std::move(vector));
  std::get<DenseLeaf>(node.node).feedback = rocchio;
  return node;
}
std::string Body(const std::string& text) { return "{\"text\":\"" + text + "\"}"; }

class FeedbackSearchTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    // 1 has the question's term; 2 shares another one with it; 3 nothing.
    Upsert({Point(1, {0, 0}, Body("fox hunts vole")), Point(2, {0, 4}, Body("vole digs")),
            Point(3, {8, 8}, Body("train leaves"))});
  }
  SearchResponse Explained(QueryNode query) const {
    SearchRequest request = Request(std::move(query), 10);
    request.explain = true;
    return Search(request);
  }
};

TEST_F(FeedbackSearchTest, Rm3FindsWhatSharesTermsWithTheFirstHits) {
  EXPECT_THAT(Ids(Search(Request(Text("fox")))), ElementsAre(1));
  EXPECT_THAT(Ids(Search(Request(Learned("fox")))), ElementsAre(1, 2));
  EXPECT_THAT(Ids(Search(Request(Learned("zebra")))), ElementsAre());
}

TEST_F(FeedbackSearchTest, RocchioMovesTheQuery) {
  // From (6, 6) with the mean of its nearest (8, 8): (14, 14).
  const SearchResponse moved =
      Search(Request(Moved({6, 6}, {.documents = 1, .alpha = 1, .beta = 1})));
  ASSERT_EQ(moved.hits.size(), 3u);
  EXPECT_EQ(moved.hits[0].id, Id(3));
  EXPECT_EQ(moved.hits[0].score, -72);
}

TEST_F(FeedbackSearchTest, LearnsOnlyFromRowsThatTheReaderMaySee) {
  PointInput secret = Point(4, {0, 1}, Body("fox fox train"));
  secret.access = {"alice"};
  Upsert({secret});
  EXPECT_THAT(Ids(Search(Request(Learned("fox")))), ElementsAre(1, 2));
  SearchRequest alice = Request(Learned("fox"));
  alice.principal.subject = "alice";
  EXPECT_THAT(Ids(Search(alice)), UnorderedElementsAre(4, 1, 3));
}

TEST_F(FeedbackSearchTest, LearnsOnlyFromTheVersionAndTheFilter) {
  Upsert({Point(4, {0, 1}, "{\"text\":\"fox fox train\",\"year\":7}")});
  SearchRequest before = Request(Learned("fox"));
  before.at = At(1);
  EXPECT_THAT(Ids(Search(before)), ElementsAre(1, 2));
  EXPECT_THAT(Ids(Search(Request(Learned("fox")))), UnorderedElementsAre(4, 1, 3));
  QueryNode filtered = Learned("fox");
  Filter recent = Compare("year", FilterOp::kEq, int64_t{7});
  filtered.filter = Filter{.op = FilterOp::kNot, .path = "", .values = {}, .children = {recent}};
  EXPECT_THAT(Ids(Search(Request(filtered))), ElementsAre(1, 2));
}

TEST_F(FeedbackSearchTest, AFusionAddsALegForEachLeaf) {
  QueryNode fused = Fuse({Text("fox"), Dense({0, 0})});
  auto& fuse = std::get<FuseNode>(fused.node);
  fuse.method = FusionMethod::kZScore;
  fuse.feedback = FusionFeedback{.text = Rm3{.documents = 1, .terms = 5},
                                 .dense = Rocchio{.documents = 1},
                                 .text_weight = 0.5,
                                 .dense_weight = 0.25};
  const SearchResponse response = Explained(fused);
  std::vector<std::string> nodes;
  for (const PlanStep& step : response.plan) nodes.push_back(step.node);
  EXPECT_THAT(nodes, ElementsAre("filter[0]", "fuse", "fuse[0].text(body)", "fuse[1].dense(v)",
                                 "fuse.feedback[0].text(body)", "fuse.feedback[1].dense(v)"));
  EXPECT_THAT(response.plan[1].plan, HasSubstr("z_score over 4 lists"));
  EXPECT_THAT(response.plan[4].plan, HasSubstr("rm3 of 1 hit, bm25 of 3 terms"));
  EXPECT_THAT(response.plan[5].plan, HasSubstr("rocchio of 1 hit"));
  std::vector<std::string> terms;
  for (const QueryTerm& term : response.plan[4].terms) {
    terms.push_back(term.term + (term.added ? "+" : ""));
  }
  EXPECT_THAT(terms, ElementsAre("fox", "hunt+", "vole+"));
  for (const PointHit& hit : response.hits) {
    double sum = 0;
    for (const NodeScore& part : hit.explanation) {
      if (part.node == "fuse") continue;
      sum += part.contribution;
      EXPECT_EQ(part.contribution, part.weight * part.normalized);
      const bool text = part.node.starts_with("fuse.feedback[0]");
      const bool dense = part.node.starts_with("fuse.feedback[1]");
      EXPECT_EQ(part.weight, text ? 0.5 : dense ? 0.25 : 1);
    }
    EXPECT_EQ(sum, hit.score);
  }
}

TEST_F(FeedbackSearchTest, AFusionsFeedbackScoresOnlyWhatItsChildrenGave) {
  const auto ask = [](std::vector<QueryNode> children) {
    QueryNode fused = Fuse(std::move(children));
    std::get<FuseNode>(fused.node).feedback = FusionFeedback{.text = Rm3{.documents = 1, .terms = 5}};
    return fused;
  };
  // A search by the learned terms would find 2, which has "vole".
  EXPECT_THAT(Ids(Search(Request(ask({Text("fox")})))), ElementsAre(1));
  // Here the dense leaf gives it, and the leg scores it.
  SearchResponse response = Explained(ask({Text("fox"), Dense({0, 0})}));
  EXPECT_THAT(Ids(response), ElementsAre(1, 2, 3));
  EXPECT_THAT(response.plan[4].plan, HasSubstr("bm25 of 3 terms over 3 hits of the fusion"));
  EXPECT_EQ(response.plan[4].hits, 2u);
  ASSERT_EQ(response.hits[1].explanation.size(), 3u);
  EXPECT_EQ(response.hits[1].explanation[2].node, "fuse.feedback[0].text(body)");
  // As many as the child's limit.
  QueryNode one = Text("fox");
  one.limit = 1;
  response = Explained(ask({one, Dense({0, 0})}));
  EXPECT_THAT(response.plan[4].plan, HasSubstr("over 1 hit of the fusion"));
  EXPECT_EQ(response.plan[4].hits, 1u);
}

TEST_F(FeedbackSearchTest, ContributionsAddUpByEveryMethod) {
  for (FusionMethod method : {FusionMethod::kRrf, FusionMethod::kMinMax, FusionMethod::kZScore,
                              FusionMethod::kBounds, FusionMethod::kDbsf}) {
    QueryNode fused = Fuse({Text("fox vole"), Dense({0, 3})}, 60, {0.7, 1.3});
    std::get<FuseNode>(fused.node).method = method;
    std::get<FuseNode>(fused.node).by_reliability = true;
    const SearchResponse response = Explained(fused);
    ASSERT_EQ(response.hits.size(), 3u);
    for (const PointHit& hit : response.hits) {
      double sum = 0;
      for (size_t i = 1; i < hit.explanation.size(); ++i) sum += hit.explanation[i].contribution;
      EXPECT_EQ(sum, hit.score) << FusionMethodName(method);
    }
  }
}

TEST_F(FeedbackSearchTest, ADenseLegThatKnowsNothingCountsLittle) {
  // On a circle around the question all rows are equally far but for noise, and one row is near the
  // other question.
  std::vector<PointInput> points;
  for (uint64_t i = 0; i < 200; ++i) {
    const double angle = 0.031 * static_cast<double>(i);
    const double radius = 10 + 0.01 * std::sin(static_cast<double>(7 * i));
    points.push_back(Point(100 + i, {static_cast<float>(radius * std::cos(angle)),
                                     static_cast<float>(radius * std::sin(angle))}));
  }
  Upsert(std::move(points));
  Delete({1, 2, 3});
  const auto weight = [&](std::vector<float> at) {
    QueryNode fused = Fuse({Text("fox"), Dense(std::move(at))});
    std::get<FuseNode>(fused.node).by_reliability = true;
    const SearchResponse response = Explained(fused);
    EXPECT_THAT(response.plan[3].plan, HasSubstr("reliability "));
    return response.hits[0].explanation[1].weight;
  };
  EXPECT_LT(weight({0, 0}), 0.1);
  Upsert({Point(500, {1, 0}), Point(501, {1, 1}), Point(502, {0, 1}), Point(503, {0.5, 0}),
          Point(504, {0, 0.5})});
  EXPECT_GT(weight({0, 0}), 0.5);
}

TEST_F(FeedbackSearchTest, PagesGoOnWhereTheLastOneEnded) {
  QueryNode fused = Fuse({Text("fox"), Dense({0, 0})});
  auto& fuse = std::get<FuseNode>(fused.node);
  fuse.method = FusionMethod::kZScore;
  fuse.by_reliability = true;
  fuse.feedback = FusionFeedback{.text = Rm3{}, .dense = Rocchio{}};
  const std::vector<uint64_t> all = Ids(Search(Request(fused, 3)));
  ASSERT_EQ(all.size(), 3u);
  SearchRequest page = Request(fused, 1);
  std::vector<uint64_t> joined;
  for (int i = 0; i < 3; ++i) {
    const SearchResponse response = Search(page);
    for (uint64_t id : Ids(response)) joined.push_back(id);
    page.cursor = response.next_cursor;
  }
  EXPECT_EQ(joined, all);
  // Another option makes another question.
  page = Request(fused, 1);
  page.cursor = Search(page).next_cursor;
  std::get<FuseNode>(page.query.node).feedback->dense->beta = 0.5;
  EXPECT_THAT(SearchError(page), HasSubstr("belongs to another query"));
}

}  // namespace
}  // namespace vouch
