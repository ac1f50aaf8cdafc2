// Conditions on points and words, end to end: the same over fresh rows, sealed ones and after a restart, and the same hits
// for filters that mean the same.
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "query/filter_parser.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GeoTextFilterTest : public QueryTest {
 protected:
  void SetUp() override {
    Open();
    CollectionSchema schema;
    schema.dense.push_back(Vectors("v", 2, Metric::kL2));
    PayloadField stemmed;
    stemmed.path = "about";
    stemmed.type = PayloadType::kText;
    stemmed.language = "english";
    schema.payload = {{"place", PayloadType::kGeo}, {"name", PayloadType::kText}, {"year", PayloadType::kInteger}};
    schema.payload.push_back(stemmed);
    Create("cities", schema);
  }
  void UpsertCities() {
    Upsert({Point(1, {1, 0}, R"({"place": {"lat": 52.52, "lon": 13.405}, "name": "Berlin", "about": "Capital of Germany", "year": 1237})"),
            Point(2, {2, 0}, R"({"place": {"type": "Point", "coordinates": [13.0645, 52.3906]}, "name": "Potsdam", "year": 993})"),
            Point(3, {3, 0}, R"({"place": [{"lat": -18.14, "lon": 178.44}, {"lat": -17.6, "lon": 177.45}], "name": "Suva and Nadi"})"),
            Point(4, {4, 0}, R"({"place": {"lat": -13.83, "lon": -171.76}, "name": "Apia", "about": "a capital; cities of islands"})"),
            Point(5, {5, 0}, R"({"name": "New Berlin", "about": ["the capitals", "of Germany"]})")});
  }
  std::vector<uint64_t> Meeting(const std::string& filter) {
    SearchRequest request = Request(Dense({0, 0}), 10);
    request.filter = ParseFilter(filter).value();
    return Ids(Search(request));
  }
  void ExpectAnswers() {
    EXPECT_THAT(Meeting("place within 30 km of (52.52, 13.405)"), ElementsAre(1, 2));
    EXPECT_THAT(Meeting("place within 27 km of (52.52, 13.405)"), ElementsAre(1));
    EXPECT_THAT(Meeting("place within box((-20, 177), (-10, -170))"), ElementsAre(3, 4));
    EXPECT_THAT(Meeting("place within polygon((-25, 175), (-25, -175), (-10, 180))"), ElementsAre(3));
    EXPECT_THAT(Meeting("place exists and not place within 1000 km of (52.5, 13.4) and id in (1, 2, 3, 4, 5)"), ElementsAre(3, 4));
    EXPECT_THAT(Meeting("name match 'berlin'"), ElementsAre(1, 5));
    EXPECT_THAT(Meeting("name match any 'apia NADI'"), ElementsAre(3, 4));
    EXPECT_THAT(Meeting("name match phrase 'suva and'"), ElementsAre(3));
    EXPECT_THAT(Meeting("about match 'city'"), ElementsAre(4));
    EXPECT_THAT(Meeting("about match phrase 'capital of germany'"), ElementsAre(1)) << "not from one text to the next";
    EXPECT_THAT(Meeting("place within 30 km of (52.52, 13.405) and name match 'berlin' and year < 2000"), ElementsAre(1));
  }
};

TEST_F(GeoTextFilterTest, TheSameOverFreshRowsSealedRowsAndIndexes) {
  UpsertCities();
  ExpectAnswers();
  std::vector<PointInput> others;
  for (uint64_t id = 100; id < 1'500; ++id) {
    others.push_back(Point(id, {100, static_cast<float>(id)},
                           absl::StrCat(R"({"place": {"lat": )", 30 + id % 10, R"(, "lon": )", id % 170,
                                        R"(}, "name": "town number )", id, "\"}")));
  }
  Upsert(std::move(others));
  ExpectAnswers();
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  ExpectAnswers();
  Reopen("cities");
  ExpectAnswers();
  EXPECT_EQ(collection_->Stats().index.files_damaged, 0u);
}

TEST_F(GeoTextFilterTest, MistakesAreShownAtTheirPlace) {
  const auto error = [&](const std::string& filter) {
    SearchRequest request = Request(All());
    request.filter = ParseFilter(filter).value();
    return SearchError(request);
  };
  EXPECT_THAT(error("year = 3 and place within 5 km of (113.4, 52.5)"),
              HasSubstr("field 'place': latitude 113.4 is not in -90 … 90 (the latitude comes first) at column 36\n"
                        "  year = 3 and place within 5 km of (113.4, 52.5)\n"
                        "                                     ^"));
  EXPECT_THAT(error("place within box((5, 0), (1, 9))"), HasSubstr("southern latitude 5 is above its northern one, 1"));
  EXPECT_THAT(error("place = 'Berlin'"),
              HasSubstr("field 'place' is of type geo, which has no such condition at column 1; a point is asked by within"));
  EXPECT_THAT(error("about match 'of the'"), HasSubstr("there is no word in 'of the' at column 13; stop words of the language"));
}

TEST_F(GeoTextFilterTest, PointsAndTextsHaveNoOrder) {
  UpsertCities();
  SearchRequest request = Request(All());
  std::get<AllLeaf>(request.query.node).order_by = "place";
  EXPECT_THAT(SearchError(request), HasSubstr("'place' is of type geo, which can be filtered by, but not ordered"));
  request = Request(All());
  request.facets.push_back({.path = "name"});
  EXPECT_THAT(SearchError(request), HasSubstr("facets[0]: payload field 'name' is of type text"));
  request = Request(All());
  request.group_by = GroupBy{.path = "name"};
  EXPECT_THAT(SearchError(request), HasSubstr("group_by: payload field 'name' is of type text"));
}

// Equal masks make equal walks: scores, order and all.
TEST_F(GeoTextFilterTest, FiltersThatMeanTheSameGiveTheSameHits) {
  std::mt19937_64 random(5);
  std::vector<PointInput> points;
  for (uint64_t id = 0; id < 3'000; ++id) {
    const auto part = [&] { return static_cast<float>(random() % 10'000) / 100; };
    points.push_back(Point(id, {part(), part()},
                           absl::StrCat(R"({"place": {"lat": )", static_cast<int>(random() % 180) - 90, R"(, "lon": )",
                                        static_cast<int>(random() % 360) - 180, R"(}, "name": ")",
                                        random() % 3 == 0 ? "red fox" : random() % 2 == 0 ? "fox red" : "grey wolf",
                                        R"(", "year": )", random() % 20, "}")));
  }
  Upsert(std::move(points));
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"year >= 3 and year < 9", "not (year < 3 or year >= 9)"},
      {"year in (1, 2, 3)", "year = 1 or year = 2 or (year > 2 and year <= 3)"},
      {"name match 'red fox'", "name match 'fox' and name match 'red'"},
      {"name match any 'red wolf'", "not (not name match 'red' and not name match 'wolf')"},
      {"name match phrase 'red fox'", "name match 'red fox' and name match phrase 'RED  fox'"},
      {"place within box((-30, 100), (30, -100))",
       "place within box((-30, 100), (30, 170)) or place within box((-30, 170), (30, -100))"},
      {"place within box((-30, 10), (30, 100))", "place within polygon((-30, 10), (30, 10), (30, 100), (-30, 100))"},
      {"place within 3000 km of (0, 0)", "place within 3000 km of (0, 0) or place within 1000 km of (0, 0)"},
      {"place exists", "place within box((-90, -180), (90, 180)) or place within 30000 km of (1, 2)"},
  };
  for (const auto& [one, other] : pairs) {
    for (bool exact : {false, true}) {
      SearchRequest request = Request(Dense({50, 50}, exact), 20);
      request.filter = ParseFilter(one).value();
      const SearchResponse first = Search(request);
      request.filter = ParseFilter(other).value();
      const SearchResponse second = Search(request);
      ASSERT_EQ(first.hits.size(), second.hits.size()) << one;
      EXPECT_GE(first.hits.size(), 20u) << one;
      for (size_t i = 0; i < first.hits.size(); ++i) {
        EXPECT_EQ(first.hits[i].row, second.hits[i].row) << one;
        EXPECT_EQ(first.hits[i].score, second.hits[i].score) << one;
      }
    }
  }
}

}  // namespace
}  // namespace vouch
