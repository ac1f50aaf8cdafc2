// What filters mean, end to end: the same over fresh rows, over sealed ones and over those with
// value indexes.
#include <string>

#include "absl/strings/str_cat.h"
#include "query/filter_parser.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FilterSemanticsTest : public QueryTest {
 protected:
  void SetUp() override {
    Open();
    CollectionSchema schema;
    schema.text.push_back(TextOf("body", "parts.text"));
    schema.payload = {{"year", PayloadType::kInteger},
                      {"code", PayloadType::kKeyword},
                      {"done", PayloadType::kBool},
                      {"authors.name", PayloadType::kKeyword},
                      {"authors.born", PayloadType::kInteger}};
    Create("works", schema);
  }

  PointInput Work(uint64_t id, std::string payload) {
    PointInput point;
    point.id = Id(id);
    point.payload = std::move(payload);
    return point;
  }
  void UpsertWorks() {
    Upsert(
        {Work(
             1,
             R"({"year": 42, "code": "7", "authors": [{"name": "Kim", "born": 1970}, {"name": "Lee", "born": 1990}]})"),
         Work(2, R"({"year": [1, 42], "code": ["42", "x"], "authors": {"name": "Kim"}})"),
         Work(
             3,
             R"({"year": 7, "code": "42", "done": true, "authors": [[{"name": ["Ada", "Lee"]}], "Kim", 3, null]})"),
         Work(4, R"({"authors": [], "parts": [{"text": "walrus"}, {"text": ["and", ["clam"]]}]})"),
         Work(5, R"({"authors": [{"born": 1990}]})")});
  }
  // Rows that a segment needs to have value indexes, none of which meets a filter of these tests.
  void UpsertOthers() {
    std::vector<PointInput> others;
    for (uint64_t id = 100; id < 3'000; ++id) {
      others.push_back(
          Work(id, absl::StrCat(R"({"year": -)", id,
                                R"(, "code": "other", "authors": [{"name": "Nobody"}]})")));
    }
    Upsert(std::move(others));
  }
  std::vector<uint64_t> Meeting(const std::string& filter) {
    SearchRequest request = Request(All(), 50);
    request.filter = ParseFilter(filter + " and id in (1, 2, 3, 4, 5)").value();
    const std::vector<uint64_t> ids = Ids(Search(request));
    EXPECT_EQ(*collection_->Count(request.filter, {}, principal_), ids.size()) << filter;
    return ids;
  }
  std::string ErrorOf(const std::string& filter) {
    SearchRequest request = Request(All());
    request.filter = ParseFilter(filter).value();
    const absl::Status counted = collection_->Count(request.filter, {}, principal_).status();
    EXPECT_EQ(counted, collection_->Search(request).status());
    EXPECT_EQ(counted.code(), absl::StatusCode::kInvalidArgument);
    return std::string(counted.message());
  }

  void ExpectTypesAreStrict() {
    EXPECT_THAT(Meeting("year = 42"), ElementsAre(1, 2));
    EXPECT_THAT(Meeting("year = 42.0"), ElementsAre(1, 2));
    EXPECT_THAT(Meeting("code = '42'"), ElementsAre(2, 3));
    EXPECT_THAT(Meeting("code in ('7', '042')"), ElementsAre(1));
    EXPECT_THAT(Meeting("done"), ElementsAre(3));
  }
  void ExpectArraysOfObjectsAreMetByAnyElement() {
    EXPECT_THAT(Meeting("authors.name = 'Kim'"), ElementsAre(1, 2));
    EXPECT_THAT(Meeting("authors.name = 'Lee'"), ElementsAre(1, 3));
    EXPECT_THAT(Meeting("authors.name in ('Ada', 'Nobody')"), ElementsAre(3));
    EXPECT_THAT(Meeting("authors.name != 'Kim'"), ElementsAre(3));
    EXPECT_THAT(Meeting("not authors.name = 'Kim'"), ElementsAre(3, 4, 5));
    EXPECT_THAT(Meeting("authors.name exists"), ElementsAre(1, 2, 3));
    // Two conditions may be met by two elements.
    EXPECT_THAT(Meeting("authors.name = 'Kim' and authors.born = 1990"), ElementsAre(1));
    EXPECT_THAT(Meeting("authors.born > 1980"), ElementsAre(1, 5));
    EXPECT_THAT(Meeting("authors.name = 'Nobody'"), IsEmpty());
  }
};

TEST_F(FilterSemanticsTest, TheSameOverFreshRowsSealedRowsAndIndexes) {
  UpsertWorks();
  ExpectTypesAreStrict();
  ExpectArraysOfObjectsAreMetByAnyElement();
  UpsertOthers();
  ExpectTypesAreStrict();
  ExpectArraysOfObjectsAreMetByAnyElement();
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  ExpectTypesAreStrict();
  ExpectArraysOfObjectsAreMetByAnyElement();
  Reopen("works");
  ExpectTypesAreStrict();
  ExpectArraysOfObjectsAreMetByAnyElement();
}

TEST_F(FilterSemanticsTest, TextFieldsReadThroughArraysOfObjectsToo) {
  UpsertWorks();
  EXPECT_THAT(Ids(Search(Request(Text("clam")))), ElementsAre(4));
  EXPECT_THAT(Ids(Search(Request(Text("walrus")))), ElementsAre(4));
}

TEST_F(FilterSemanticsTest, WritesOfAnotherTypeAreRefused) {
  EXPECT_THAT(TryUpsert({Work(1, R"({"year": "42"})")}).status().ToString(),
              HasSubstr("'year': '\"42\"' is not an integer"));
  EXPECT_THAT(
      TryUpsert({Work(1, R"({"authors": [{"name": "Kim"}, {"name": 7}]})")}).status().ToString(),
      HasSubstr("'authors.name': '7' is not a keyword"));
}

TEST_F(FilterSemanticsTest, LiteralsOfAnotherTypeAreErrorsThatShowTheirPlace) {
  EXPECT_EQ(ErrorOf("year = '42'"),
            "filter: field 'year' is of type integer; the text '42' does not fit at column 8; "
            "numbers stand without quotes\n"
            "  year = '42'\n"
            "         ^");
  EXPECT_EQ(ErrorOf("code = 'ü' or code in ('a', 42)"),
            "filter: field 'code' is of type keyword; the number 42 does not fit at column 29; "
            "texts stand in quotes\n"
            "  code = 'ü' or code in ('a', 42)\n"
            "                              ^");
  EXPECT_THAT(ErrorOf("not (done = 1)"),
              HasSubstr("the number 1 does not fit at column 13; bools are true and false"));
  EXPECT_THAT(ErrorOf("year\n  = true"), HasSubstr("true does not fit at line 2, column 5"));
  // A path alone says that it is true.
  EXPECT_THAT(ErrorOf("year"), HasSubstr("true does not fit at column 1"));
}

TEST_F(FilterSemanticsTest, UnknownFieldsShowTheirPlace) {
  EXPECT_EQ(ErrorOf("done and yaer = 42"),
            "filter: unknown field 'yaer' at column 10; filterable fields: year, code, done, "
            "authors.name, authors.born\n"
            "  done and yaer = 42\n"
            "           ^");
  EXPECT_THAT(ErrorOf("done < true"), HasSubstr("which has no order at column 1"));
}

}  // namespace
}  // namespace vouch
