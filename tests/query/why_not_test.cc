#include "query/why_not.h"

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Points 1 to 20 at (1, 0) to (20, 0); even ones have a fox; 21 has no vector.
class WhyNotTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    std::vector<PointInput> points;
    for (uint64_t i = 1; i <= 20; ++i) {
      points.push_back(Point(i, {static_cast<float>(i), 0},
                             std::string(R"({"text":")") + (i % 2 == 0 ? "fox" : "deer") +
                                 R"(","year":)" + std::to_string(2000 + i) + "}"));
    }
    PointInput bare;
    bare.id = Id(21);
    points.push_back(std::move(bare));
    Upsert(std::move(points));
  }

  WhyNotResponse Ask(const SearchRequest& request, uint64_t id) const {
    absl::StatusOr<WhyNotResponse> response = collection_->WhyNot(request, Id(id));
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *std::move(response) : WhyNotResponse();
  }
  static QueryNode Limited(QueryNode node, uint32_t limit) {
    node.limit = limit;
    return node;
  }
};

TEST_F(WhyNotTest, AHitIsToldItsRank) {
  const WhyNotResponse response = Ask(Request(Dense({0, 0}), 5), 3);
  EXPECT_EQ(response.rank, 3u);
  EXPECT_EQ(response.verdict, "point 3 is hit 3");
  ASSERT_EQ(response.stages.size(), 1u);
  EXPECT_TRUE(response.stages[0].gave);
  EXPECT_EQ(response.stages[0].score, -9);
}

TEST_F(WhyNotTest, BeyondTheLimitByHowMuch) {
  const WhyNotResponse response = Ask(Request(Dense({0, 0}), 5), 7);
  EXPECT_EQ(response.rank, 0u);
  EXPECT_EQ(response.verdict,
            "point 7 fell out at dense(v): the point is hit 7 and the limit is 5: its score is "
            "-49, 24 below the last one");
  EXPECT_EQ(response.stages[0].rank, 7u);
  EXPECT_EQ(response.stages[0].cutoff, -25);
}

TEST_F(WhyNotTest, TheConditionThatIsNotMetIsNamed) {
  SearchRequest request = Request(Dense({0, 0}), 20);
  request.filter = Filter{.op = FilterOp::kAnd,
                          .path = "",
                          .values = {},
                          .children = {Compare("year", FilterOp::kGe, int64_t{2001}),
                                       Compare("year", FilterOp::kLt, int64_t{2005})}};
  EXPECT_THAT(Ask(request, 7).verdict, HasSubstr("the filter keeps the point out: year < 2005"));
}

TEST_F(WhyNotTest, LeavesThatCannotFindThePointSayWhy) {
  EXPECT_THAT(Ask(Request(Dense({0, 0}), 20), 21).verdict,
              HasSubstr("dense(v): the point has no vector in field 'v'"));
  EXPECT_THAT(Ask(Request(Text("fox"), 20), 3).verdict,
              HasSubstr("text(body): the point's text has none of the words"));
  EXPECT_THAT(Ask(Request(All(), 5), 9).verdict,
              HasSubstr("all: the point is hit 9 and the limit is 5"));
  const QueryNode like = {.node = RecommendLeaf{.field = "v", .positive = {Id(3)}, .exact = true},
                          .filter = std::nullopt,
                          .limit = 0};
  EXPECT_THAT(Ask(Request(like, 5), 3).verdict, HasSubstr("the point is one of the examples"));
}

TEST_F(WhyNotTest, UnderAFusionEachLeafIsAsked) {
  const SearchRequest request =
      Request(Fuse({Limited(Dense({0, 0}), 4), Limited(Text("fox"), 3)}), 5);
  WhyNotResponse response = Ask(request, 9);
  ASSERT_EQ(response.stages.size(), 3u);
  EXPECT_EQ(response.stages[0].node, "fuse[0].dense(v)");
  EXPECT_EQ(response.stages[2].reason, "no child gave the point");
  EXPECT_THAT(response.verdict,
              AllOf(HasSubstr("fuse[0].dense(v): the point is hit 9 and the limit is 4"),
                    HasSubstr("fuse[1].text(body): the point's text has none")));
  response = Ask(Request(Fuse({Limited(Dense({0, 0}), 4), Limited(Text("fox"), 3)}), 2), 6);
  EXPECT_TRUE(response.stages[1].gave);
  EXPECT_THAT(response.verdict, HasSubstr("fell out at fuse: the point is hit"));
}

TEST_F(WhyNotTest, RerankingsAreFollowed) {
  RerankNode rerank{.method = FormulaRerank{.formula = "-year"},
                    .children = {Limited(Dense({0, 0}), 10)}};
  const QueryNode node{.node = std::move(rerank), .filter = std::nullopt, .limit = 0};
  EXPECT_THAT(Ask(Request(node, 3), 9).verdict,
              HasSubstr("fell out at rerank(formula): the point is hit 9 and the limit is 3"));
  EXPECT_THAT(Ask(Request(node, 3), 12).verdict,
              HasSubstr("fell out at rerank(formula)[0].dense(v)"));
}

TEST_F(WhyNotTest, UnknownPointsAndPagesAreRefused) {
  const SearchRequest request = Request(Dense({0, 0}), 5);
  EXPECT_THAT(collection_->WhyNot(request, Id(99)).status().ToString(),
              HasSubstr("NOT_FOUND: no point 99 at version 1"));
  SearchRequest grouped = request;
  grouped.group_by = GroupBy{.path = "year"};
  EXPECT_THAT(collection_->WhyNot(grouped, Id(1)).status().ToString(),
              HasSubstr("takes neither group_by"));
  SearchRequest later = request;
  later.offset = 4;
  EXPECT_EQ(Ask(later, 2).verdict, "point 2 is hit 2, before the page, which begins after hit 4");
}

}  // namespace
}  // namespace vouch
