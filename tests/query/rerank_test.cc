#include "query/rerank_mmr.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Points 1 to 5 on the plane; 6 has no vector. Years are 2001 to 2004, 5 and 6 have none.
class RerankTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    PointInput bare;
    bare.id = Id(6);
    bare.payload = R"({"text": "fox"})";
    Upsert({Point(1, {1, 0}, R"({"year": 2001, "text": "fox", "archived": true})"),
            Point(2, {1.1f, 0}, R"({"year": 2002, "text": "fox fox"})"),
            Point(3, {0, 3}, R"({"year": 2003, "text": "fox fox fox"})"),
            Point(4, {-2, 0}, R"({"year": 2004})"), Point(5, {0, -4}, R"({"text": "fox deer"})"),
            std::move(bare)});
  }

  static QueryNode Over(QueryNode child, decltype(RerankNode::method) method) {
    RerankNode rerank{.method = std::move(method), .children = {}};
    rerank.children.push_back(std::move(child));
    return {.node = std::move(rerank), .filter = std::nullopt, .limit = 0};
  }
  static QueryNode By(std::string formula, QueryNode child, double missing = 0) {
    return Over(std::move(child), FormulaRerank{.formula = std::move(formula), .missing = missing});
  }
  static QueryNode Limited(QueryNode node, uint32_t limit) {
    node.limit = limit;
    return node;
  }
};

TEST_F(RerankTest, ExactScoresTheChildsHitsAnew) {
  const SearchResponse response =
      Search(Request(Over(Text("fox"), ExactRerank{.field = "v", .vector = {0, 2}})));
  EXPECT_THAT(Ids(response), ElementsAre(3, 1, 2, 5))
      << "4 is no hit of the child, 6 has no vector";
  EXPECT_EQ(response.hits[0].score, -1);
  EXPECT_EQ(response.hits[1].score, -5);
}

TEST_F(RerankTest, OnlyTheChildsHitsAreLookedAt) {
  const SearchResponse response =
      Search(Request(Over(Limited(Dense({1, 0}), 2), ExactRerank{.field = "v", .vector = {0, 3}})));
  EXPECT_THAT(Ids(response), ElementsAre(1, 2));
  EXPECT_TRUE(response.next_cursor.empty());
}

TEST_F(RerankTest, MmrPrefersWhatIsUnlikeTheChosen) {
  // 2 is nearly 1; the others are far from both and from one another.
  EXPECT_THAT(Ids(Search(Request(
                  Over(Dense({1, 0}), MmrRerank{.field = "v", .vector = {0.9f, 0}, .lambda = 1})))),
              ElementsAre(1, 2, 4, 3, 5));
  const SearchResponse half = Search(
      Request(Over(Dense({1, 0}), MmrRerank{.field = "v", .vector = {0.9f, 0}, .lambda = 0.5})));
  ASSERT_EQ(half.hits.size(), 5u);
  EXPECT_EQ(Ids(half).front(), 1u);
  EXPECT_NEAR(half.hits[0].score, -0.005, 1e-6);
  EXPECT_EQ(Ids(half).back(), 2u) << "most like one that is chosen";
}

TEST_F(RerankTest, MmrPagesAreTheWholeList) {
  SearchRequest request =
      Request(Over(All(), MmrRerank{.field = "v", .vector = {1, 0}, .lambda = 0.3}), 5);
  const std::vector<uint64_t> whole = Ids(Search(request));
  ASSERT_EQ(whole.size(), 5u);
  request.limit = 2;
  std::vector<uint64_t> ids;
  for (int page = 0; page < 5; ++page) {
    const SearchResponse response = Search(request);
    for (uint64_t id : Ids(response)) ids.push_back(id);
    if (response.next_cursor.empty()) break;
    request.cursor = response.next_cursor;
    Delete({whole[page]});
  }
  EXPECT_EQ(ids, whole);
}

TEST_F(RerankTest, FormulaOverScoreAndPayload) {
  EXPECT_THAT(Ids(Search(Request(By("year", All())))), ElementsAre(4, 3, 2, 1, 5, 6))
      << "0 where there is no year";
  EXPECT_THAT(Ids(Search(Request(By("-year", All(), -1e9)))), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(Ids(Search(Request(By("default(year, 2002.5)", All())))),
              ElementsAre(4, 3, 5, 6, 2, 1));
  EXPECT_THAT(Ids(Search(Request(By("default(archived, 0) * 100 + score", Dense({-2, 0}))))),
              ElementsAre(1, 4, 2, 3, 5));
  const SearchResponse response = Search(Request(By("score * 2", Dense({0, 2}))));
  EXPECT_EQ(response.hits[0].score, -2);
}

TEST_F(RerankTest, UnderAFusionAndOverOne) {
  const SearchResponse response = Search(
      Request(By("score + year / 1e6", Fuse({Dense({1, 0}), By("-score", Text("fox"))}), -1)));
  EXPECT_EQ(response.hits.size(), 6u);
  EXPECT_EQ(response.hits.back().score, -1);
}

TEST_F(RerankTest, TheLedgerSaysWhatScoresAreMadeOf) {
  SearchRequest request = Request(By("score + default(year, 1)", Dense({1, 0})));
  request.explain = true;
  const SearchResponse response = Search(request);
  ASSERT_THAT(Ids(response), ElementsAre(2, 1, 4, 3, 5));
  const std::vector<NodeScore>& first = response.hits[2].explanation;
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].node, "rerank(formula)");
  EXPECT_EQ(first[0].note, "score -9, year 2004");
  EXPECT_EQ(first[0].contribution, response.hits[2].score);
  EXPECT_EQ(first[1].node, "rerank(formula)[0].dense(v)");
  EXPECT_EQ(first[1].rank, 3u);
  EXPECT_EQ(first[1].contribution, 0);
  EXPECT_EQ(response.hits.back().explanation[0].note, "score -17, year missing");
  EXPECT_THAT(response.plan[1].plan, HasSubstr("formula score + default(year, 1) over 5 hits"));

  request.query = Over(All(), MmrRerank{.field = "v", .vector = {1, 0}, .lambda = 0.5});
  EXPECT_EQ(Search(request).hits[0].explanation[0].note, "similarity 0 to the vector");
  EXPECT_THAT(Search(request).hits[1].explanation[0].note,
              HasSubstr("to the nearest chosen before"));
}

TEST_F(RerankTest, MistakesAreNamed) {
  EXPECT_THAT(SearchError(Request(By("yaer", All()))),
              HasSubstr("rerank: formula: unknown field 'yaer'"));
  EXPECT_THAT(SearchError(Request(By("1", All(), std::nan("")))),
              HasSubstr("rerank: missing is not a finite number"));
  EXPECT_THAT(
      SearchError(Request(Over(All(), MmrRerank{.field = "v", .vector = {1, 0}, .lambda = 1.5}))),
      HasSubstr("lambda 1.5 is not in 0 … 1"));
  EXPECT_THAT(
      SearchError(Request(Over(Limited(All(), 1001), MmrRerank{.field = "v", .vector = {1, 0}}))),
      HasSubstr("its child's limit 1001 is over 1000"));
  EXPECT_THAT(SearchError(Request(Over(All(), ExactRerank{.field = "w", .vector = {1, 0}}))),
              HasSubstr("'w'"));
  EXPECT_THAT(
      SearchError(Request(Over(Dense({1, 2, 3}), ExactRerank{.field = "v", .vector = {1, 0}}))),
      HasSubstr("rerank[0].dense: the vector has 3 dimensions"));
  QueryNode childless = Over(All(), ExactRerank{.field = "v", .vector = {1, 0}});
  std::get<RerankNode>(childless.node).children.clear();
  EXPECT_THAT(SearchError(Request(childless)), HasSubstr("a reranking has one child, not 0"));
}

}  // namespace
}  // namespace vouch
