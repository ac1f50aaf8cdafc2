#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BatchTest : public QueryTest {
 protected:
  void SetUp() override {
    QueryTest::SetUp();
    Upsert({Point(1, {1, 0}, R"({"year": 2001})"), Point(2, {2, 0}, R"({"year": 2002})"),
            Point(3, {3, 0})});
  }
  std::string BatchError(const std::vector<SearchRequest>& requests) const {
    return collection_->SearchBatch(requests).status().ToString();
  }
};

TEST_F(BatchTest, GivesWhatEachRequestAloneGives) {
  std::vector<SearchRequest> requests = {Request(Dense({0, 0})), Request(All(), 1),
                                         Request(Dense({3, 0}), 2)};
  requests[0].filter = requests[2].filter = Compare("year", FilterOp::kGe, int64_t{2001});
  const absl::StatusOr<std::vector<SearchResponse>> responses = collection_->SearchBatch(requests);
  ASSERT_TRUE(responses.ok()) << responses.status();
  ASSERT_EQ(responses->size(), 3u);
  EXPECT_THAT(Ids((*responses)[0]), ElementsAre(1, 2));
  EXPECT_THAT(Ids((*responses)[1]), ElementsAre(1));
  EXPECT_THAT(Ids((*responses)[2]), ElementsAre(2, 1));
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(Ids((*responses)[i]), Ids(Search(requests[i]))) << i;
    EXPECT_EQ((*responses)[i].next_cursor, Search(requests[i]).next_cursor) << i;
  }
  EXPECT_TRUE(collection_->SearchBatch({})->empty());
}

TEST_F(BatchTest, OfManyRequestsEachHasItsOwnAnswer) {
  std::vector<SearchRequest> requests;
  for (int i = 0; i < 100; ++i) {
    requests.push_back(Request(Dense({0.03f * static_cast<float>(i), 0})));
    if (i % 3 == 0) requests.back().filter = Compare("year", FilterOp::kGe, int64_t{2000 + i % 4});
  }
  for (int turn = 0; turn < 5; ++turn) {
    const absl::StatusOr<std::vector<SearchResponse>> responses = collection_->SearchBatch(requests);
    ASSERT_TRUE(responses.ok()) << responses.status();
    ASSERT_EQ(responses->size(), requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      const SearchResponse alone = Search(requests[i]);
      EXPECT_EQ(Ids((*responses)[i]), Ids(alone)) << i;
      for (size_t h = 0; h < alone.hits.size(); ++h) EXPECT_EQ((*responses)[i].hits[h].score, alone.hits[h].score);
    }
  }
  requests[80] = requests[37] = Request(Dense({1}));
  for (int turn = 0; turn < 5; ++turn) EXPECT_THAT(BatchError(requests), HasSubstr("requests[37]: "));
}

TEST_F(BatchTest, IsOfOneVersionAndOnePrincipal) {
  Upsert({Point(4, {4, 0})});
  std::vector<SearchRequest> requests = {Request(All()), Request(All())};
  requests[0].at = requests[1].at = At(1);
  EXPECT_EQ((*collection_->SearchBatch(requests))[1].hits.size(), 3u);
  requests[1].at = At(2);
  EXPECT_THAT(BatchError(requests),
              HasSubstr("requests[1]: it reads version 2, the first request version 1"));
  requests[1].at = At(1);
  requests[1].principal.subject = "alice";
  EXPECT_THAT(BatchError(requests), HasSubstr("requests[1]: it has another principal"));
}

TEST_F(BatchTest, ErrorsNameTheRequest) {
  EXPECT_THAT(BatchError({Request(All()), Request(Dense({1}))}),
              HasSubstr("requests[1]: dense: the vector has 1 dimensions"));
  SearchRequest paged = Request(All(), 1);
  paged.cursor = Search(paged).next_cursor;
  EXPECT_THAT(BatchError({paged}), HasSubstr("requests[0]: a cursor names its own version"));
  EXPECT_THAT(BatchError(std::vector<SearchRequest>(101, Request(All()))),
              HasSubstr("101 requests in one batch, over 100"));
}

}  // namespace
}  // namespace vouch
