#include <cmath>

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CollectionTest : public QueryTest {
 protected:
  std::string WriteError(PointInput point) {
    return TryUpsert({std::move(point)}).status().ToString();
  }
};

TEST_F(CollectionTest, FindsWhatWasWritten) {
  Upsert({Point(1, {0, 0}, R"({"text":"red fox"})"), Point(2, {1, 0}, R"({"text":"grey wolf"})"),
          Point(3, {5, 0}, R"({"text":"red deer"})")});
  EXPECT_THAT(Ids(Search(Request(Dense({0.9f, 0})))), ElementsAre(2, 1, 3));
  EXPECT_THAT(Ids(Search(Request(Text("red")))), ElementsAre(1, 3));
  EXPECT_THAT(Ids(Search(Request(All()))), ElementsAre(1, 2, 3));
  const SearchResponse hybrid = Search(Request(Fuse({Dense({5, 0}), Text("deer")})));
  EXPECT_EQ(Ids(hybrid)[0], 3u);
  EXPECT_EQ(hybrid.hits[0].score, 1.0 / 61 + 1.0 / 61);
  EXPECT_EQ(hybrid.version, Version(1));
  EXPECT_EQ(hybrid.hits[0].payload, R"({"text":"red deer"})");
}

TEST_F(CollectionTest, EmptyCollectionAnswers) {
  EXPECT_THAT(Ids(Search(Request(Dense({0, 0})))), IsEmpty());
  EXPECT_THAT(Ids(Search(Request(Text("x")))), IsEmpty());
  const SearchResponse all = Search(Request(All()));
  EXPECT_THAT(Ids(all), IsEmpty());
  EXPECT_EQ(all.version, Version(0));
  EXPECT_EQ(all.next_cursor, "");
  EXPECT_EQ(*collection_->Count(std::nullopt, {}, principal_), 0u);
}

TEST_F(CollectionTest, UpsertReplacesAndDeleteRemoves) {
  Upsert({Point(1, {0, 0}), Point(2, {1, 0})});
  const auto replaced = TryUpsert({Point(1, {9, 0})});
  EXPECT_EQ(replaced->upserted, 1u);
  EXPECT_EQ(replaced->retired, 1u);
  EXPECT_THAT(Ids(Search(Request(Dense({0, 0})))), ElementsAre(2, 1));
  Delete({2});
  EXPECT_THAT(Ids(Search(Request(Dense({0, 0})))), ElementsAre(1));
  EXPECT_EQ(collection_->Stats().points, 1u);
  EXPECT_EQ(collection_->Stats().rows, 3u);
  EXPECT_EQ(collection_->Stats().version, Version(3));
}

TEST_F(CollectionTest, AWriteThatChangesNothingCommitsNothing) {
  Upsert({Point(1, {0, 0})});
  EXPECT_EQ(Delete({77}), Version(1));
  EXPECT_EQ(Upsert({}), Version(1));
  WriteRequest with_id;
  with_id.request_id = "r";
  EXPECT_EQ(collection_->Write(with_id)->version, Version(2));
}

TEST_F(CollectionTest, ARequestIdTwiceGivesTheFirstReply) {
  WriteRequest request;
  request.upserts = {Point(1, {0, 0})};
  request.request_id = "once";
  const auto first = collection_->Write(request);
  const auto second = collection_->Write(request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(first->replayed);
  EXPECT_TRUE(second->replayed);
  EXPECT_EQ(second->version, first->version);
  EXPECT_EQ(second->upserted, 1u);
  EXPECT_EQ(collection_->Stats().rows, 1u);
}

TEST_F(CollectionTest, ExpectedVersionIsCompared) {
  Upsert({Point(1, {0, 0})});
  WriteRequest request;
  request.upserts = {Point(1, {1, 1})};
  request.expected_version = Version(0);
  EXPECT_EQ(collection_->Write(request).status().code(), absl::StatusCode::kAborted);
  request.upserts.clear();
  EXPECT_EQ(collection_->Write(request).status().code(), absl::StatusCode::kAborted);
}

TEST_F(CollectionTest, FiltersLimitsAndOffsets) {
  std::vector<PointInput> points;
  for (uint64_t i = 0; i < 20; ++i) {
    points.push_back(
        Point(i, {static_cast<float>(i), 0}, "{\"year\":" + std::to_string(2000 + i) + "}"));
  }
  Upsert(std::move(points));
  SearchRequest request = Request(Dense({0, 0}), 3);
  request.filter = Compare("year", FilterOp::kGe, int64_t{2010});
  EXPECT_THAT(Ids(Search(request)), ElementsAre(10, 11, 12));
  request.offset = 2;
  EXPECT_THAT(Ids(Search(request)), ElementsAre(12, 13, 14));
  request.query.filter = Compare("year", FilterOp::kLt, int64_t{2014});
  EXPECT_THAT(Ids(Search(request)), ElementsAre(12, 13));
  EXPECT_EQ(*collection_->Count(request.filter, {}, principal_), 10u);
  request.query.limit = 3;  // the node gives three, of which the offset takes two
  EXPECT_THAT(Ids(Search(request)), ElementsAre(12));
}

TEST_F(CollectionTest, NodeFiltersHoldForTheirNodeOnly) {
  Upsert({Point(1, {0, 0}, R"({"text":"fox","year":1})"),
          Point(2, {1, 0}, R"({"text":"fox","year":2})")});
  QueryNode dense = Dense({0, 0});
  dense.filter = Compare("year", FilterOp::kEq, int64_t{2});
  const SearchResponse response = Search(Request(Fuse({dense, Text("fox")})));
  EXPECT_THAT(Ids(response), ElementsAre(2, 1));
}

TEST_F(CollectionTest, ProjectionGivesWhatIsAskedFor) {
  PointInput point = Point(1, {3, 4}, R"({"b":1,"a":[1,2],"c":"x"})");
  point.provenance = R"({"source":"a.md"})";
  Upsert({point});
  SearchRequest request = Request(All());
  request.projection = {
      .payload = true, .payload_keys = {"c", "b", "none"}, .vectors = true, .provenance = true};
  const SearchResponse all = Search(request);
  EXPECT_EQ(all.hits[0].payload, R"({"b":1,"c":"x"})");
  EXPECT_EQ(all.hits[0].provenance, R"({"source":"a.md"})");
  EXPECT_THAT(all.hits[0].vectors.at("v"), ElementsAre(3, 4));
  request.projection = {
      .payload = false, .payload_keys = {}, .vectors = false, .provenance = false};
  const SearchResponse none = Search(request);
  EXPECT_EQ(none.hits[0].payload, "");
  EXPECT_EQ(none.hits[0].provenance, "");
  EXPECT_TRUE(none.hits[0].vectors.empty());
}

TEST_F(CollectionTest, GetGivesPointsInTheOrderAsked) {
  Upsert({Point(1, {0, 0}, R"({"n":1})"), Point(2, {1, 0}, R"({"n":2})")});
  const std::vector<PointId> ids = {Id(2), Id(9), Id(1)};
  const auto points = collection_->Get(ids, {}, {}, principal_);
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_EQ((*points)[0]->payload, R"({"n":2})");
  EXPECT_FALSE((*points)[1].has_value());
  EXPECT_EQ((*points)[2]->payload, R"({"n":1})");
}

TEST_F(CollectionTest, CosineVectorsAreNormalisedOnce) {
  CollectionSchema schema;
  schema.dense.push_back(Vectors("v", 2, Metric::kCosine));
  Create("cosine", schema);
  Upsert({Point(1, {3, 4}), Point(2, {1e-30f, 0})});
  SearchRequest request = Request(Dense({30, 40}));
  request.projection.vectors = true;
  const SearchResponse response = Search(request);
  EXPECT_THAT(response.hits[0].vectors.at("v"), ElementsAre(0.6f, 0.8f));
  EXPECT_NEAR(response.hits[0].score, 1, 1e-6);
  EXPECT_THAT(response.hits[1].vectors.at("v"), ElementsAre(1, 0));
  EXPECT_THAT(WriteError(Point(3, {0, 0})),
              HasSubstr("point '3' (upserts[0]): field 'v': a zero vector"));
  EXPECT_THAT(SearchError(Request(Dense({0, 0}))), HasSubstr("zero vector"));
}

TEST_F(CollectionTest, AccessListsBindReads) {
  PointInput secret = Point(1, {0, 0}, R"({"text":"fox"})");
  secret.access = {"alice", "team"};
  Upsert({secret, Point(2, {1, 0}, R"({"text":"fox"})")});
  const auto seen_by = [&](Principal principal) {
    SearchRequest request = Request(All());
    request.principal = principal;
    const std::vector<PointId> ids = {Id(1)};
    const bool got = (*collection_->Get(ids, {}, {}, principal))[0].has_value();
    EXPECT_EQ(*collection_->Count(std::nullopt, {}, principal), got ? 2u : 1u);
    request.query = Dense({0, 0});
    EXPECT_EQ(Search(request).hits.size(), got ? 2u : 1u);
    request.query = Text("fox");
    EXPECT_EQ(Search(request).hits.size(), got ? 2u : 1u);
    return got;
  };
  EXPECT_FALSE(seen_by({}));
  EXPECT_TRUE(seen_by({.tenant = "default", .subject = "alice", .groups = {}}));
  EXPECT_TRUE(seen_by({.tenant = "default", .subject = "bob", .groups = {"x", "team"}}));
  EXPECT_FALSE(seen_by({.tenant = "default", .subject = "bob", .groups = {"x"}}));
}

TEST_F(CollectionTest, AnotherTenantSeesNoCollection) {
  const Principal other{.tenant = "other", .subject = "alice", .groups = {}};
  SearchRequest request = Request(All());
  request.principal = other;
  EXPECT_THAT(SearchError(request), HasSubstr("NOT_FOUND"));
  EXPECT_TRUE(absl::IsNotFound(collection_->Count(std::nullopt, {}, other).status()));
  EXPECT_TRUE(absl::IsNotFound(collection_->Get({}, {}, {}, other).status()));
  WriteRequest write;
  write.principal = other;
  EXPECT_TRUE(absl::IsNotFound(collection_->Write(write).status()));
  EXPECT_TRUE(absl::IsNotFound(database_->GetCollection(other, "points").status()));
}

TEST_F(CollectionTest, BadRequestsAreNamed) {
  EXPECT_THAT(SearchError(Request(All(), 0)), HasSubstr("limit 0 is not in 1"));
  EXPECT_THAT(SearchError(Request(All(), 10'001)), HasSubstr("limit 10001"));
  SearchRequest request = Request(All(), 10);
  request.offset = 9'995;
  EXPECT_THAT(SearchError(request), HasSubstr("offset 9995 + limit 10 is over 10000"));
  request.offset = 0;
  request.filter = Compare("yaer", FilterOp::kEq, int64_t{1});
  EXPECT_THAT(SearchError(request), HasSubstr("yaer"));
  EXPECT_THAT(collection_->Count(request.filter, {}, principal_).status().ToString(),
              HasSubstr("yaer"));
}

TEST_F(CollectionTest, ACancelledRequestStops) {
  Upsert({Point(1, {0, 0})});
  SearchRequest request = Request(Dense({0, 0}));
  request.cancel = CancelToken(absl::InfiniteFuture(), [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(collection_->Search(request).status()));
  request.cancel = CancelToken(absl::InfinitePast(), nullptr);
  EXPECT_TRUE(absl::IsDeadlineExceeded(collection_->Search(request).status()));
}

}  // namespace
}  // namespace vouch
