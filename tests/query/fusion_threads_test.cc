// The leaves of a fusion run on two threads where there are many rows, which changes nothing but the time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRows = 12'000;

class FusionThreadsTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    for (uint64_t row = 0; row < kRows;) {
      std::vector<PointInput> points;
      for (const uint64_t end = row + 2'000; row < end; ++row) {
        const auto x = static_cast<float>(row * 7919 % kRows), y = static_cast<float>(row % 97);
        points.push_back(Point(row, {x, y}, absl::StrCat(R"({"text": "w)", row % 13, " w", row % 7, R"(", "year": )", row % 50, "}")));
      }
      Upsert(std::move(points));
    }
  }
  void ReopenWith(size_t threads) {
    collection_.reset();
    database_.reset();
    DatabaseOptions options;
    options.path = folder_.path() + "/db";
    options.batch_threads = threads;
    auto database = Database::Open(options);
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    collection_ = database_->GetCollection(principal_, "points").value();
  }
};

SearchRequest FusionOf(SearchRequest request, bool feedback) {
  QueryNode filtered = Text("w1 w3");
  filtered.filter = Compare("year", FilterOp::kLt, int64_t{20});
  FuseNode fuse{.method = FusionMethod::kZScore, .children = {Dense({300, 40}), Text("w2 w5"), std::move(filtered), Dense({9000, 2}, false)}};
  fuse.by_reliability = true;
  if (feedback) fuse.feedback = FusionFeedback{.text = Rm3(), .dense = Rocchio()};
  request.query.node = std::move(fuse);
  request.explain = true;
  return request;
}

TEST_F(FusionThreadsTest, GiveWhatOneThreadGives) {
  for (const bool feedback : {false, true}) {
    const SearchRequest request = FusionOf(Request({}, 20), feedback);
    ReopenWith(2);
    const SearchResponse two = Search(request);
    ReopenWith(1);
    const SearchResponse one = Search(request);
    ASSERT_EQ(two.hits.size(), 20u);
    ASSERT_EQ(one.hits.size(), 20u);
    for (size_t i = 0; i < 20; ++i) {
      EXPECT_EQ(two.hits[i].row, one.hits[i].row);
      EXPECT_EQ(two.hits[i].score, one.hits[i].score);
      ASSERT_EQ(two.hits[i].explanation.size(), one.hits[i].explanation.size());
      for (size_t n = 0; n < one.hits[i].explanation.size(); ++n) {
        EXPECT_EQ(two.hits[i].explanation[n].node, one.hits[i].explanation[n].node);
        EXPECT_EQ(two.hits[i].explanation[n].contribution, one.hits[i].explanation[n].contribution);
      }
    }
  }
}

TEST_F(FusionThreadsTest, CandidatesAreKeptInTheOrderOfTheLeaves) {
  SearchRequest request = FusionOf(Request({}, 20), /*feedback=*/false);
  ReopenWith(2);
  CandidateLog kept;
  request.candidates = &kept;
  const SearchResponse found = Search(request);
  ASSERT_EQ(kept.lists().size(), 1u);
  CandidateLog again(kept.lists());
  request.candidates = &again;
  const SearchResponse same = Search(request);
  ASSERT_EQ(same.hits.size(), found.hits.size());
  for (size_t i = 0; i < found.hits.size(); ++i) EXPECT_EQ(same.hits[i].score, found.hits[i].score);
}

// What is below a reranking runs after the leaves, and yet keeps its place.
TEST_F(FusionThreadsTest, CandidatesOfNestedSearchesAreKeptInOrderToo) {
  RerankNode rerank;
  rerank.method = ExactRerank{.field = "v", .vector = {300, 40}};
  rerank.children.push_back(Dense({300, 40}, /*exact=*/false));
  FuseNode fuse;
  fuse.children = {QueryNode{.node = std::move(rerank)}, Dense({9000, 2}, false), Text("w2")};
  SearchRequest request = Request({.node = std::move(fuse)}, 20);
  std::vector<std::vector<std::vector<RowId>>> kept;
  for (const size_t threads : {1, 2}) {
    ReopenWith(threads);
    CandidateLog log;
    request.candidates = &log;
    ASSERT_EQ(Search(request).hits.size(), 20u);
    kept.push_back(log.lists());
  }
  ASSERT_EQ(kept[0].size(), 2u);
  EXPECT_EQ(kept[0], kept[1]);
}

TEST_F(FusionThreadsTest, TheFirstLeafThatFailsIsTold) {
  SearchRequest request = FusionOf(Request({}, 20), /*feedback=*/false);
  request.cancel = CancelToken(absl::InfinitePast(), nullptr);
  EXPECT_THAT(SearchError(request), HasSubstr("DEADLINE_EXCEEDED"));
}

}  // namespace
}  // namespace vouch
