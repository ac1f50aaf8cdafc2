#include "query/recommend.h"

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Points 1 to 6 at (1, 0) to (6, 0); 7 has no vector.
class RecommendTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    std::vector<PointInput> points;
    for (uint64_t i = 1; i <= 6; ++i) {
      points.push_back(
          Point(i, {static_cast<float>(i), 0}, "{\"year\":" + std::to_string(i) + "}"));
    }
    PointInput bare;
    bare.id = Id(7);
    points.push_back(std::move(bare));
    Upsert(std::move(points));
  }

  static QueryNode Like(std::vector<Example> positive, std::vector<Example> negative = {},
                        RecommendStrategy strategy = RecommendStrategy::kAverageVector) {
    return {.node = RecommendLeaf{.field = "v",
                                  .positive = std::move(positive),
                                  .negative = std::move(negative),
                                  .strategy = strategy,
                                  .exact = true},
            .filter = std::nullopt,
            .limit = 0};
  }
};

TEST_F(RecommendTest, AverageIsOfIdsAndVectorsAndLeavesThePointsOut) {
  EXPECT_THAT(Ids(Search(Request(Like({Id(2), Id(4)})))), ElementsAre(3, 1, 5, 6));
  EXPECT_THAT(Ids(Search(Request(Like({std::vector<float>{3, 0}})))), ElementsAre(3, 2, 4, 1, 5, 6))
      << "a vector leaves nothing out";
  // 2 · 3 − 1 = 5
  const SearchResponse away = Search(Request(Like({Id(3)}, {Id(1)})));
  EXPECT_THAT(Ids(away), ElementsAre(5, 4, 6, 2));
  EXPECT_EQ(away.hits[0].score, 0);
}

TEST_F(RecommendTest, BestScoreTakesTheNearestExampleOfEachKind) {
  const SearchResponse response = Search(
      Request(Like({Id(1), std::vector<float>{5.5, 0}}, {Id(3)}, RecommendStrategy::kBestScore)));
  // 5 and 6 are at 0.25 from the vector; 2 is as near to 1 as to 3, and 4 nearer to 3 than to the
  // vector.
  EXPECT_THAT(Ids(response), ElementsAre(5, 6, 2, 4));
  EXPECT_EQ(response.hits[0].score, BestScoreOf(-0.25f, -4));
  EXPECT_EQ(response.hits[2].score, BestScoreOf(-1, -1));
  EXPECT_LT(response.hits[2].score, 0);
}

TEST_F(RecommendTest, BestScoreOfNegativesAloneGoesAway) {
  EXPECT_THAT(Ids(Search(Request(Like({}, {Id(1)}, RecommendStrategy::kBestScore)))),
              ElementsAre(6, 5, 4, 3, 2));
}

TEST_F(RecommendTest, FiltersPagesAndFusionsHold) {
  SearchRequest request = Request(Like({Id(2), Id(4)}), 2);
  request.filter = Compare("year", FilterOp::kGe, int64_t{3});
  const SearchResponse first = Search(request);
  EXPECT_THAT(Ids(first), ElementsAre(3, 5));
  request.cursor = first.next_cursor;
  Delete({2});
  EXPECT_THAT(Ids(Search(request)), ElementsAre(6))
      << "the examples are those of the first page's version";
  request.cursor.clear();
  EXPECT_THAT(SearchError(request), HasSubstr("recommend: positive[0]: no point 2 at version 2"));
  request.query = Fuse({Like({Id(4)}), Dense({1, 0})});
  EXPECT_EQ(Search(request).hits.size(), 2u);
}

TEST_F(RecommendTest, VectorsOfSealedSegmentsAreReadFromTheirFiles) {
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  for (const bool reopened : {false, true}) {
    if (reopened) Reopen();
    EXPECT_THAT(Ids(Search(Request(Like({Id(2), Id(4)})))), ElementsAre(3, 1, 5, 6)) << reopened;
    EXPECT_THAT(Ids(Search(Request(Like({}, {Id(1)}, RecommendStrategy::kBestScore)))),
                ElementsAre(6, 5, 4, 3, 2))
        << reopened;
  }
}

TEST_F(RecommendTest, BadExamplesAreNamed) {
  EXPECT_THAT(SearchError(Request(Fuse({All(), Like({Id(1), Id(99)})}))),
              HasSubstr("NOT_FOUND: fuse[1].recommend: positive[1]: no point 99 at version 1"));
  EXPECT_THAT(
      SearchError(Request(Like({Id(1)}, {Id(7)}))),
      HasSubstr("FAILED_PRECONDITION: recommend: negative[0]: point 7 has no vector in field 'v'"));
  EXPECT_THAT(SearchError(Request(Like({std::vector<float>{1}}))),
              HasSubstr("positive[0]: the vector has 1 dimensions"));
  EXPECT_THAT(SearchError(Request(Like({}))), HasSubstr("it needs examples"));
  EXPECT_THAT(SearchError(Request(Like({}, {Id(1)}))),
              HasSubstr("average_vector needs a positive example"));
  EXPECT_THAT(SearchError(Request(Like(std::vector<Example>(101, Id(1))))),
              HasSubstr("101 examples, over 100"));
}

TEST_F(RecommendTest, AHiddenPointIsNoExample) {
  PointInput secret = Point(8, {3, 0});
  secret.access = {"alice"};
  Upsert({secret});
  EXPECT_THAT(SearchError(Request(Like({Id(8)}))), HasSubstr("no point 8"));
  SearchRequest request = Request(Like({Id(8)}), 1);
  request.principal.subject = "alice";
  EXPECT_THAT(Ids(Search(request)), ElementsAre(3));
}

TEST(BestScore, PutsThePositiveSideFirst) {
  EXPECT_GT(BestScoreOf(-100, -101), BestScoreOf(5, 6));
  EXPECT_GT(BestScoreOf(2, 1), BestScoreOf(1, 0));
  EXPECT_GT(BestScoreOf(0, 1), BestScoreOf(0, 2)) << "the nearer to a negative example, the lower";
}

TEST(AverageExamples, IsTwiceThePositiveMeanWithoutTheNegativeOne) {
  Examples examples{.positive = {{1, 2}, {3, 4}}, .negative = {}, .rows = {}, .average = {}};
  EXPECT_THAT(AverageExamples(examples), ElementsAre(2, 3));
  examples.negative = {{1, 0}, {0, 0}};
  EXPECT_THAT(AverageExamples(examples), ElementsAre(3.5f, 6));
}

}  // namespace
}  // namespace vouch
