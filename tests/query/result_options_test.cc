#include "absl/strings/str_cat.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Points 1 to 8 at (1, 0) to (8, 0). Languages: en de en fr de,en (none) en,en de; years 2001 and
// 2002 in turn.
class ResultOptionsTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    static const char* const kLangs[] = {R"("en")",        R"("de")", R"("en")",        R"("fr")",
                                         R"(["de","en"])", "null",    R"(["en","en"])", R"("de")"};
    std::vector<PointInput> points;
    for (uint64_t i = 1; i <= 8; ++i) {
      points.push_back(Point(i, {static_cast<float>(i), 0},
                             absl::StrCat(R"({"lang":)", kLangs[i - 1], R"(,"year":)", 2001 + i % 2,
                                          R"(,"text":"A fox, number )", i, R"(. Foxes run."})")));
    }
    Upsert(std::move(points));
  }

  static std::vector<std::string> Groups(const SearchResponse& response) {
    std::vector<std::string> groups;
    size_t next = 0;
    for (const HitGroup& group : response.groups) {
      std::string text = std::get<std::string>(group.value) + ":";
      for (uint32_t i = 0; i < group.hits; ++i)
        absl::StrAppend(&text, " ", response.hits[next++].id.number());
      groups.push_back(text);
    }
    EXPECT_EQ(next, response.hits.size());
    return groups;
  }
  SearchRequest Grouped(uint32_t groups, uint32_t hits) const {
    SearchRequest request = Request(Dense({0, 0}), groups);
    request.group_by = GroupBy{.path = "lang", .hits = hits};
    return request;
  }
  static std::vector<std::string> Values(const Facet& facet) {
    std::vector<std::string> values;
    for (const ValueCount& count : facet.values) {
      const auto* text = std::get_if<std::string>(&count.value);
      values.push_back(absl::StrCat(
          text != nullptr ? *text : absl::StrCat(std::get<int64_t>(count.value)), " ", count.rows));
    }
    return values;
  }
};

TEST_F(ResultOptionsTest, GroupsStandInTheOrderOfTheirBestHits) {
  EXPECT_THAT(Groups(Search(Grouped(10, 2))), ElementsAre("en: 1 3", "de: 2 5", "fr: 4"));
  EXPECT_THAT(Groups(Search(Grouped(2, 10))), ElementsAre("en: 1 3 5 7", "de: 2 5 8"));
  EXPECT_THAT(Groups(Search(Grouped(1, 1))), ElementsAre("en: 1"));
}

TEST_F(ResultOptionsTest, GroupsUnderAFilterAndOverAnOrder) {
  SearchRequest request = Grouped(10, 2);
  request.filter = Compare("year", FilterOp::kEq, int64_t{2001});
  EXPECT_THAT(Groups(Search(request)), ElementsAre("de: 2 8", "fr: 4"));
  request.query = {
      .node = AllLeaf{.order_by = "lang", .descending = true}, .filter = std::nullopt, .limit = 0};
  EXPECT_THAT(Groups(Search(request)), ElementsAre("fr: 4", "de: 2 8"));
}

TEST_F(ResultOptionsTest, GroupsAreLookedForDeeperUntilTheyAreFull) {
  std::vector<PointInput> points;
  for (uint64_t i = 100; i < 400; ++i) points.push_back(Point(i, {0, 0}, R"({"lang": "xx"})"));
  Upsert(std::move(points));
  EXPECT_THAT(Groups(Search(Grouped(3, 1))), ElementsAre("xx: 100", "en: 1", "de: 2"));
  SearchRequest shallow = Grouped(3, 1);
  shallow.group_by->candidates = 50;
  EXPECT_THAT(Groups(Search(shallow)), ElementsAre("xx: 100"));
}

TEST_F(ResultOptionsTest, MembersOfALeafsGroupsAreFoundHoweverDeepTheyLie) {
  std::vector<PointInput> points = {Point(100, {50, 50}, R"({"lang": "yy"})")};
  for (uint64_t i = 101; i < 1300; ++i) points.push_back(Point(i, {50, 49}, R"({"lang": "zz"})"));
  points.push_back(Point(1300, {50, 40}, R"({"lang": "yy", "year": 1})"));
  Upsert(std::move(points));
  SearchRequest request = Request(Dense({50, 50}), 2);
  request.group_by = GroupBy{.path = "lang", .hits = 2};
  EXPECT_THAT(Groups(Search(request)), ElementsAre("yy: 100 1300", "zz: 101 102"));
  request.facets = {{.path = "lang"}};  // of all points, not of the groups' alone
  request.explain = true;
  const SearchResponse response = Search(request);
  EXPECT_THAT(Groups(response), ElementsAre("yy: 100 1300", "zz: 101 102"));
  EXPECT_EQ(response.facets[0].distinct, 5u);
  request.query.filter = Compare("lang", FilterOp::kNe, "zz");
  EXPECT_THAT(Groups(Search(request)).front(), "yy: 100 1300");
  request.query.filter = std::nullopt;
  request.group_by->candidates = 1000;
  EXPECT_THAT(Groups(Search(request)), ElementsAre("yy: 100", "zz: 101 102"));
}

TEST_F(ResultOptionsTest, ExplainKnowsTheRanksInTheWholeList) {
  SearchRequest request = Grouped(10, 1);
  request.explain = true;
  const SearchResponse response = Search(request);
  ASSERT_EQ(response.hits.size(), 3u);
  EXPECT_EQ(response.hits[2].explanation[0].rank, 4u);
}

TEST_F(ResultOptionsTest, BadGroupingsAreRefused) {
  SearchRequest request = Grouped(10, 0);
  EXPECT_THAT(SearchError(request), HasSubstr("group_by: 0 hits a group are not in 1 … 100"));
  request = Grouped(10'000, 2);
  EXPECT_THAT(SearchError(request), HasSubstr("group_by: limit 10000 · 2 hits are over 10000"));
  request = Grouped(10, 10);
  request.group_by->candidates = 99;
  EXPECT_THAT(SearchError(request), HasSubstr("99 candidates are not in 100 … 10000"));
  request = Grouped(10, 1);
  request.offset = 1;
  EXPECT_THAT(SearchError(request), HasSubstr("no pages"));
  request = Grouped(10, 1);
  request.group_by->path = "language";
  EXPECT_THAT(SearchError(request), HasSubstr("group_by: unknown payload field 'language'"));
}

TEST_F(ResultOptionsTest, FacetsCountTheRowsThatTheFilterAllows) {
  SearchRequest request = Request(Text("nothing"), 1);
  request.facets = {{.path = "lang"},
                    {.path = "year", .limit = 10, .by_value = true},
                    {.path = "lang", .limit = 1}};
  SearchResponse response = Search(request);
  EXPECT_TRUE(response.hits.empty()) << "whatever the query finds";
  ASSERT_EQ(response.facets.size(), 3u);
  EXPECT_THAT(Values(response.facets[0]), ElementsAre("en 4", "de 3", "fr 1"))
      << "7 counts once for en";
  EXPECT_EQ(response.facets[0].distinct, 3u);
  EXPECT_THAT(Values(response.facets[1]), ElementsAre("2001 4", "2002 4"));
  EXPECT_THAT(Values(response.facets[2]), ElementsAre("en 4"));
  EXPECT_EQ(response.facets[2].distinct, 3u);
  request.filter = Compare("year", FilterOp::kEq, int64_t{2001});
  EXPECT_THAT(Values(Search(request).facets[0]), ElementsAre("de 2", "fr 1"));
  Delete({2});
  EXPECT_THAT(Values(Search(request).facets[0]), ElementsAre("de 1", "fr 1")) << "ties by value";
  request.at = At(1);
  EXPECT_THAT(Values(Search(request).facets[0]), ElementsAre("de 2", "fr 1"));
}

TEST_F(ResultOptionsTest, FacetsSpanSegments) {
  for (uint64_t i = 20; i < 40; ++i) {
    Upsert({Point(i, {9, 9}, i % 2 == 0 ? R"({"lang": "it"})" : R"({"lang": "en"})")});
  }
  SearchRequest request = Request(All(), 1);
  request.facets = {{.path = "lang"}};
  EXPECT_THAT(Values(Search(request).facets[0]), ElementsAre("en 14", "it 10", "de 3", "fr 1"));
}

TEST_F(ResultOptionsTest, BadFacetsAreRefused) {
  SearchRequest request = Request(All(), 1);
  request.facets = {{.path = "lang"}, {.path = "text"}};
  EXPECT_THAT(SearchError(request), HasSubstr("facets[1]: unknown payload field 'text'"));
  request.facets = {{.path = "lang", .limit = 0}};
  EXPECT_THAT(SearchError(request), HasSubstr("facets[0]: limit 0 is not in 1 … 10000"));
  request.facets.assign(17, {.path = "lang"});
  EXPECT_THAT(SearchError(request), HasSubstr("facets: 17, over 16"));
}

TEST_F(ResultOptionsTest, HighlightsAreBytesOfTheText) {
  SearchRequest request = Request(Fuse({Text("fox 3"), Text("running")}, 60, {1, 0.001}), 1);
  request.highlight = true;
  request.projection.payload = false;
  const SearchResponse response = Search(request);
  ASSERT_EQ(Ids(response), std::vector<uint64_t>{3});
  const std::string text = "A fox, number 3. Foxes run.";
  std::vector<std::string> words;
  for (const Highlight& mark : response.hits[0].highlights) {
    EXPECT_EQ(mark.field, "body");
    EXPECT_EQ(mark.path, "text");
    EXPECT_EQ(mark.element, 0u);
    words.push_back(text.substr(mark.begin, mark.end - mark.begin));
  }
  EXPECT_THAT(words, ElementsAre("fox", "3", "Foxes", "run"));
  EXPECT_EQ(response.hits[0].payload, "");
  request.highlight = false;
  EXPECT_TRUE(Search(request).hits[0].highlights.empty());
}

TEST_F(ResultOptionsTest, HighlightsOfArraysNameTheElementAndAreBounded) {
  std::string many;
  for (int i = 0; i < 150; ++i) many += "wolf ";
  Upsert({Point(50, {0, 0}, R"({"text": ["ein Wölfchen", "a wolf", 3, "the wolf"]})"),
          Point(51, {0, 0}, R"({"text": ")" + many + "\"}")});
  SearchRequest request = Request(Text("wolf wölfchen"));
  request.highlight = true;
  const SearchResponse response = Search(request);
  ASSERT_EQ(response.hits.size(), 2u);
  for (const PointHit& hit : response.hits) {
    if (hit.id.number() == 51) {
      EXPECT_EQ(hit.highlights.size(), Highlight::kMaxPerHit);
      continue;
    }
    ASSERT_EQ(hit.highlights.size(), 3u);
    EXPECT_EQ(hit.highlights[0].begin, 4u);
    EXPECT_EQ(hit.highlights[0].end, 13u) << "bytes, not letters";
    EXPECT_EQ(hit.highlights[1].element, 1u);
    EXPECT_EQ(hit.highlights[2].element, 2u) << "of the texts in the array";
    EXPECT_EQ(hit.highlights[2].begin, 4u);
  }
}

}  // namespace
}  // namespace vouch
