#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Seven points; the years of 3 and 6 are alike, 2 and 7 have none, 5 has two.
class OrderTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    Upsert({Point(1, {0, 0}, R"({"year": 2003, "lang": "fr"})"),
            Point(2, {0, 0}, R"({"lang": "de"})"), Point(3, {0, 0}, R"({"year": 2001})"),
            Point(4, {0, 0}, R"({"year": 2002, "lang": "en"})")});
    Upsert({Point(5, {0, 0}, R"({"year": [1999, 2010]})"),
            Point(6, {0, 0}, R"({"year": 2001, "lang": "de"})"),
            Point(7, {0, 0}, R"({"year": null})")});
  }

  static QueryNode By(std::string path, bool descending = false) {
    return {.node = AllLeaf{.order_by = std::move(path), .descending = descending},
            .filter = std::nullopt,
            .limit = 0};
  }
  // All ids, page by page.
  std::vector<uint64_t> Pages(SearchRequest request) const {
    std::vector<uint64_t> ids;
    for (int page = 0; page < 20; ++page) {
      const SearchResponse response = Search(request);
      for (uint64_t id : Ids(response)) ids.push_back(id);
      if (response.next_cursor.empty()) break;
      request.cursor = response.next_cursor;
    }
    return ids;
  }
};

TEST_F(OrderTest, AscendingAndDescendingWithMissingValuesLast) {
  EXPECT_THAT(Ids(Search(Request(By("year")))), ElementsAre(5, 3, 6, 4, 1, 2, 7));
  EXPECT_THAT(Ids(Search(Request(By("year", true)))), ElementsAre(5, 1, 4, 3, 6, 2, 7));
  EXPECT_THAT(Ids(Search(Request(By("lang")))), ElementsAre(2, 6, 4, 1, 3, 5, 7));
  EXPECT_THAT(Ids(Search(Request(By("lang", true)))), ElementsAre(1, 4, 2, 6, 3, 5, 7));
}

TEST_F(OrderTest, PagesJoinedAreTheWholeWhileWritesGoOn) {
  for (const bool descending : {false, true}) {
    for (const char* path : {"year", "lang", "archived"}) {
      SearchRequest request = Request(By(path, descending), 100);
      request.at = At(2);
      const std::vector<uint64_t> whole = Ids(Search(request));
      ASSERT_EQ(whole.size(), 7u);
      request.at = ReadAt();
      request.limit = 2;
      SearchRequest first = request;
      first.at = At(2);
      request.cursor = Search(first).next_cursor;
      Upsert({Point(4, {0, 0}, R"({"year": 1900, "lang": "aa"})"),
              Point(8, {0, 0}, R"({"year": 1950})")});
      Delete({1});
      std::vector<uint64_t> ids = {whole[0], whole[1]};
      for (uint64_t id : Pages(request)) ids.push_back(id);
      EXPECT_EQ(ids, whole) << path << descending;
    }
  }
}

TEST_F(OrderTest, AFilterAndALimitOfTheNodeHold) {
  SearchRequest request = Request(By("year", true));
  request.filter = Compare("lang", FilterOp::kEq, "de");
  EXPECT_THAT(Ids(Search(request)), ElementsAre(6, 2));
  request.query.limit = 1;
  EXPECT_THAT(Ids(Search(request)), ElementsAre(6));
}

TEST_F(OrderTest, UnderAFusionTheRankCounts) {
  const SearchResponse response = Search(Request(Fuse({By("year", true), By("lang")}, 0)));
  EXPECT_EQ(Ids(response).front(), 2u) << "sixth and first";
}

TEST_F(OrderTest, UnknownFieldsAreRefused) {
  EXPECT_THAT(
      SearchError(Request(By("yaer"))),
      HasSubstr(
          "all: order_by: unknown payload field 'yaer'; there are 'year', 'lang', 'archived'"));
  EXPECT_THAT(SearchError(Request(By("", true))), HasSubstr("all: descending goes with order_by"));
}

TEST_F(OrderTest, ThePlanIsToldWithoutARun) {
  SearchRequest request = Request(Fuse({Dense({0, 0}, false), By("year", true)}));
  request.filter = Compare("lang", FilterOp::kEq, "de");
  request.plan_only = true;
  const SearchResponse response = Search(request);
  EXPECT_TRUE(response.hits.empty());
  EXPECT_EQ(response.visible_rows, 7u);
  ASSERT_EQ(response.plan.size(), 4u);
  EXPECT_EQ(response.plan[0].node, "filter[0]");
  EXPECT_THAT(response.plan[0].plan, HasSubstr("of 7 visible rows"));
  EXPECT_EQ(response.plan[1].node, "fuse");
  EXPECT_EQ(response.plan[2].node, "fuse[0].dense(v)");
  EXPECT_THAT(response.plan[2].plan, HasSubstr("graph ef=100"));
  EXPECT_EQ(response.plan[3].plan, "by year descending, limit 100, filter[0]");
}

}  // namespace
}  // namespace vouch
