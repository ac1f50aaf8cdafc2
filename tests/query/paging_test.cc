#include <atomic>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PagingTest : public QueryTest {
 protected:
  PagingTest() { seal_rows_ = 60; }

  static PointInput RandomPoint(uint64_t id, std::mt19937_64& random) {
    const std::string text =
        "w" + std::to_string(random() % 6) + " w" + std::to_string(random() % 6);
    return Point(id, {static_cast<float>(random() % 8), static_cast<float>(random() % 8)},
                 "{\"text\":\"" + text + "\",\"year\":" + std::to_string(random() % 20) + "}");
  }

  void Fill(uint64_t count) {
    std::mt19937_64 random(7);
    std::vector<PointInput> points;
    for (uint64_t i = 0; i < count; ++i) points.push_back(RandomPoint(i, random));
    Upsert(std::move(points));
  }

  using Scored = std::vector<std::pair<uint64_t, double>>;

  static void Take(const SearchResponse& response, Scored& into) {
    for (const PointHit& hit : response.hits) into.emplace_back(hit.row.value, hit.score);
  }

  Scored Pages(SearchRequest request, const std::function<uint32_t()>& page_size) const {
    Scored joined;
    for (int pages = 0; pages < 1000; ++pages) {
      request.limit = page_size();
      const SearchResponse response = Search(request);
      Take(response, joined);
      if (response.next_cursor.empty()) return joined;
      EXPECT_EQ(response.hits.size(), request.limit);
      request.cursor = response.next_cursor;
      request.offset = 0;
    }
    ADD_FAILURE() << "the pages do not end";
    return joined;
  }
};

TEST_F(PagingTest, PagesJoinedAreTheOneShotResultWhileOthersWrite) {
  Fill(300);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    std::mt19937_64 random(99);
    while (!stop) {
      WriteRequest request;
      for (uint64_t i = 0; i < 5; ++i)
        request.upserts.push_back(RandomPoint(random() % 60 * 5 + i, random));
      EXPECT_TRUE(collection_->Write(std::move(request)).ok());
    }
  });
  const uint64_t seed = 20261124;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 60; ++round) {
    QueryNode left = Dense({static_cast<float>(random() % 8), static_cast<float>(random() % 8)});
    QueryNode right = Text(absl::StrCat("w", random() % 6));
    left.limit = 1 + random() % 120;
    right.limit = 1 + random() % 120;
    const QueryNode queries[] = {left, right, All(), Fuse({left, right})};
    SearchRequest request = Request(queries[round % 4], 1000);
    request.query.limit = 0;
    if (random() % 2 == 0) request.filter = Compare("year", FilterOp::kLt, int64_t{12});
    request.offset = random() % 3 == 0 ? random() % 20 : 0;
    request.at = ReadAt{collection_->Stats().version};
    Scored whole;
    Take(Search(request), whole);
    const Scored joined = Pages(request, [&] { return static_cast<uint32_t>(1 + random() % 40); });
    EXPECT_EQ(joined, whole) << "round " << round;
  }
  stop = true;
  writer.join();
}

TEST_F(PagingTest, ACursorReadsItsVersion) {
  Fill(20);
  SearchRequest request = Request(All(), 5);
  const SearchResponse first = Search(request);
  Delete({5, 6, 7, 8, 9});
  request.cursor = first.next_cursor;
  const SearchResponse second = Search(request);
  EXPECT_EQ(second.version, Version(1));
  EXPECT_THAT(Ids(second), ElementsAre(5, 6, 7, 8, 9));
}

TEST_F(PagingTest, TheLastPageHasNoCursor) {
  Fill(10);
  EXPECT_EQ(Search(Request(All(), 10)).next_cursor, "");
  EXPECT_NE(Search(Request(All(), 9)).next_cursor, "");
  EXPECT_EQ(Search(Request(Dense({0, 0}), 10)).next_cursor, "");
  EXPECT_NE(Search(Request(Dense({0, 0}), 9)).next_cursor, "");
}

TEST_F(PagingTest, ANodesLimitEndsThePages) {
  Fill(100);
  for (QueryNode query : {All(), Dense({0, 0})}) {
    query.limit = 12;
    EXPECT_EQ(Pages(Request(query), [] { return 5u; }).size(), 12u);
    EXPECT_EQ(Pages(Request(query), [] { return 6u; }).size(), 12u);
  }
}

TEST_F(PagingTest, ApproximatePagesGiveNoHitTwice) {
  Fill(400);
  ASSERT_TRUE(collection_->Optimize({}, nullptr).ok());
  const Scored joined = Pages(Request(Dense({3, 3}, /*exact=*/false)), [] { return 7u; });
  std::set<uint64_t> rows;
  for (const auto& [row, score] : joined) EXPECT_TRUE(rows.insert(row).second) << row;
  EXPECT_GE(rows.size(), 390u);
  EXPECT_TRUE(std::is_sorted(joined.begin(), joined.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  }));
}

TEST_F(PagingTest, WrongCursorsAreNamed) {
  Fill(50);
  SearchRequest request = Request(Dense({0, 0}), 5);
  request.cursor = Search(request).next_cursor;
  SearchRequest wrong = request;
  wrong.offset = 1;
  EXPECT_THAT(SearchError(wrong), HasSubstr("offset 1 with a cursor"));
  wrong = request;
  wrong.query = Dense({0, 1});
  EXPECT_THAT(SearchError(wrong), HasSubstr("another query, filter or principal"));
  wrong = request;
  wrong.principal.subject = "mallory";
  EXPECT_THAT(SearchError(wrong), HasSubstr("another query, filter or principal"));
  wrong = request;
  wrong.at = At(0);
  EXPECT_THAT(SearchError(wrong), HasSubstr("it reads version 1, the request asks for version 0"));
  wrong = request;
  wrong.cursor[4] = wrong.cursor[4] == 'A' ? 'B' : 'A';
  EXPECT_THAT(SearchError(wrong), HasSubstr("checksum"));
  EXPECT_TRUE(collection_->Search(request).ok());
}

TEST_F(PagingTest, RankedPagesEndAtTheLimitAndScrollsDoNot) {
  std::vector<PointInput> points;
  for (uint64_t i = 0; i < 10'020; ++i) points.push_back(Point(i, {static_cast<float>(i), 0}));
  Upsert(std::move(points));
  EXPECT_EQ(Pages(Request(All()), [] { return 4000u; }).size(), 10'020u);
  SearchRequest request = Request(Dense({0, 0}), 9'990);
  request.projection.payload = false;
  request.cursor = Search(request).next_cursor;
  request.limit = 50;
  const SearchResponse last = Search(request);
  EXPECT_EQ(last.hits.size(), 10u);
  request.cursor = last.next_cursor;
  EXPECT_THAT(SearchError(request),
              HasSubstr("it stands after hit 10000, and ranked results end at 10000"));
}

}  // namespace
}  // namespace vouch
