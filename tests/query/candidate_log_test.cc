// Rows of approximate searches: kept, and given again in their place.
#include "query/candidate_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "query/filter_parser.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<RowId> Rows(std::initializer_list<uint64_t> rows) {
  std::vector<RowId> result;
  for (uint64_t row : rows) result.emplace_back(row);
  return result;
}

TEST(CandidateLogTest, KeepsRowsAscending) {
  CandidateLog log;
  EXPECT_EQ(log.Pass(Rows({7, 2, 5})).value(), Rows({2, 5, 7}));
  EXPECT_EQ(log.Pass({}).value(), Rows({}));
  EXPECT_THAT(log.lists(), ElementsAre(Rows({2, 5, 7}), Rows({})));
  EXPECT_EQ(log.rows(), 3u);
}

TEST(CandidateLogTest, GivesThemAgainAndCountsWhatWasFound) {
  CandidateLog log({Rows({2, 5, 7}), Rows({1})});
  EXPECT_EQ(log.Pass(Rows({7, 9, 2})).value(), Rows({2, 5, 7}));
  EXPECT_EQ(log.Pass(Rows({4})).value(), Rows({1}));
  EXPECT_EQ(log.rows(), 4u);
  EXPECT_EQ(log.found_again(), 2u);
  EXPECT_THAT(log.Pass(Rows({1})).status().message(), HasSubstr("candidates of 2 approximate searches"));
}

class CandidateSearchTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    std::vector<PointInput> points;
    for (uint64_t id = 0; id < 40; ++id) points.push_back(Point(id, {static_cast<float>(id), 0}, R"({"year": 2000})"));
    Upsert(std::move(points));
  }
  SearchRequest Nearest(CandidateLog& log) {
    SearchRequest request = Request(Dense({10, 0}, /*exact=*/false), 3);
    request.candidates = &log;
    return request;
  }
};

TEST_F(CandidateSearchTest, GivenRowsAreScoredAndNoOthers) {
  CandidateLog kept;
  const SearchResponse found = Search(Nearest(kept));
  ASSERT_THAT(found.hits, SizeIs(3));
  ASSERT_THAT(kept.lists(), SizeIs(1));

  CandidateLog again(kept.lists());
  const SearchResponse same = Search(Nearest(again));
  ASSERT_THAT(same.hits, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(same.hits[i].row, found.hits[i].row);
    EXPECT_EQ(same.hits[i].score, found.hits[i].score);
  }
  EXPECT_EQ(again.found_again(), again.rows());

  // As of an index that had missed the nearest rows.
  CandidateLog other({{found.hits[2].row, RowId(30)}});
  const SearchResponse missed = Search(Nearest(other));
  ASSERT_THAT(missed.hits, SizeIs(2));
  EXPECT_EQ(missed.hits[0].row, found.hits[2].row);
  EXPECT_EQ(missed.hits[0].score, found.hits[2].score);
  EXPECT_EQ(missed.hits[1].row, RowId(30));
  EXPECT_EQ(other.found_again(), 1u);
}

// A log from elsewhere gives no row that the filter, or the principal, may not see.
TEST_F(CandidateSearchTest, RowsThatAreNotAllowedAreLeftOut) {
  Upsert({Point(50, {10, 1}, R"({"year": 2020})")});
  CandidateLog log({{RowId(3), RowId(40)}});
  SearchRequest request = Nearest(log);
  request.filter = ParseFilter("year < 2010").value();
  const SearchResponse found = Search(request);
  ASSERT_THAT(found.hits, SizeIs(1));
  EXPECT_EQ(found.hits[0].row, RowId(3));
}

TEST_F(CandidateSearchTest, ExactSearchesKeepNothing) {
  CandidateLog log;
  SearchRequest request = Nearest(log);
  std::get<DenseLeaf>(request.query.node).exact = true;
  EXPECT_THAT(Search(request).hits, SizeIs(3));
  EXPECT_THAT(log.lists(), SizeIs(0));
}

}  // namespace
}  // namespace vouch
