#include <gmock/gmock.h>

#include "tests/api/api_fixture.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(ApiTest, CollectionsAreMadeShownListedAndDropped) {
  CreateFilms();
  v1::GetCollectionRequest get;
  get.set_name("films");
  v1::Collection films;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::GetCollection, get, &films).ok());
  EXPECT_EQ(films.version(), 0u);
  EXPECT_EQ(films.schema().dense(0).metric(), v1::METRIC_L2);
  EXPECT_EQ(films.schema().dense(0).index(), v1::DENSE_INDEX_KIND_HNSW);
  EXPECT_EQ(films.schema().dense(0).hnsw().m(), 16u) << "defaults are shown";
  EXPECT_EQ(films.schema().text(0).language(), "english");
  EXPECT_DOUBLE_EQ(films.schema().text(0).k1(), 1.2);
  EXPECT_EQ(films.schema().payload(1).type(), v1::PAYLOAD_TYPE_KEYWORD);

  UpsertFilms();
  v1::ListCollectionsResponse list;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::ListCollections,
                   v1::ListCollectionsRequest(), &list)
                  .ok());
  ASSERT_EQ(list.collections_size(), 1);
  EXPECT_EQ(list.collections(0).points(), 5u);
  EXPECT_EQ(list.collections(0).version(), 1u);

  v1::DropCollectionRequest drop;
  drop.set_name("films");
  v1::DropCollectionResponse dropped;
  EXPECT_TRUE(Call(collections_, &v1::Collections::Stub::DropCollection, drop, &dropped).ok());
  EXPECT_EQ(Call(collections_, &v1::Collections::Stub::DropCollection, drop, &dropped).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ApiTest, BadSchemasAndNamesAreRefusedWithTheField) {
  CreateFilms();
  const auto create = [this](const std::string& name, const v1::Schema& schema) {
    v1::CreateCollectionRequest request;
    request.set_name(name);
    *request.mutable_schema() = schema;
    v1::Collection reply;
    return Call(collections_, &v1::Collections::Stub::CreateCollection, request, &reply);
  };
  v1::Schema schema;
  schema.add_dense()->set_name("embedding");
  schema.mutable_dense(0)->set_dim(2);
  EXPECT_EQ(create("films", schema).error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(create("../films", schema).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(create("", schema).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  schema.mutable_dense(0)->set_dim(5000);
  grpc::Status status = create("big", schema);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("embedding"), HasSubstr("5000"), HasSubstr("4096")));
  schema.mutable_dense(0)->set_dim(2);
  schema.mutable_dense(0)->set_metric(static_cast<v1::Metric>(9));
  EXPECT_THAT(create("odd", schema).error_message(),
              AllOf(HasSubstr("embedding"), HasSubstr("metric 9")));
  schema.mutable_dense(0)->set_metric(v1::METRIC_COSINE);
  schema.mutable_dense(0)->mutable_hnsw()->set_m(4'000'000'000u);
  EXPECT_THAT(create("odd", schema).error_message(),
              AllOf(HasSubstr("hnsw.m"), HasSubstr("4000000000")));
}

TEST_F(ApiTest, TagsNameVersionsAndNeverMove) {
  CreateFilms();
  UpsertFilms();
  v1::CreateTagRequest request;
  request.set_collection("films");
  request.set_name("baseline");
  v1::Tag tag;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::CreateTag, request, &tag).ok());
  EXPECT_EQ(tag.version(), 1u);
  EXPECT_TRUE(Call(collections_, &v1::Collections::Stub::CreateTag, request, &tag).ok())
      << "the same again";
  v1::WriteReply write;
  ASSERT_TRUE(Upsert({Film(1, {9, 9}, "{}")}, &write).ok());
  EXPECT_EQ(Call(collections_, &v1::Collections::Stub::CreateTag, request, &tag).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
  request.set_name("never");
  request.set_at("v99");
  EXPECT_EQ(Call(collections_, &v1::Collections::Stub::CreateTag, request, &tag).error_code(),
            grpc::StatusCode::OUT_OF_RANGE);

  v1::ListTagsRequest list;
  list.set_collection("films");
  v1::ListTagsResponse tags;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::ListTags, list, &tags).ok());
  ASSERT_EQ(tags.tags_size(), 1);
  EXPECT_EQ(tags.tags(0).name(), "baseline");

  v1::DeleteTagRequest remove;
  remove.set_collection("films");
  remove.set_name("baseline");
  v1::DeleteTagResponse removed;
  EXPECT_TRUE(Call(collections_, &v1::Collections::Stub::DeleteTag, remove, &removed).ok());
  EXPECT_EQ(Call(collections_, &v1::Collections::Stub::DeleteTag, remove, &removed).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(ApiTest, VersionsAreTheHistory) {
  CreateFilms();
  UpsertFilms();
  v1::WriteReply write;
  ASSERT_TRUE(Upsert({Film(1, {9, 9}, "{}"), Film(6, {6, 0}, "{}")}, &write, "request-1").ok());
  v1::ListVersionsRequest request;
  request.set_collection("films");
  v1::ListVersionsResponse response;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::ListVersions, request, &response).ok());
  ASSERT_EQ(response.versions_size(), 2);
  EXPECT_EQ(response.versions(0).rows_added(), 5u);
  EXPECT_EQ(response.versions(1).version(), 2u);
  EXPECT_EQ(response.versions(1).request_id(), "request-1");
  EXPECT_EQ(response.versions(1).rows_added(), 2u);
  EXPECT_EQ(response.versions(1).rows_retired(), 1u);
  EXPECT_EQ(response.versions(1).points(), 6u);
  EXPECT_EQ(response.versions(1).actor(), "default/anonymous");

  request.set_first(2);
  request.set_last(1'000'000);
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::ListVersions, request, &response).ok());
  EXPECT_EQ(response.versions_size(), 1);
  request.set_limit(1'001);
  EXPECT_EQ(
      Call(collections_, &v1::Collections::Stub::ListVersions, request, &response).error_code(),
      grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ApiTest, OptimizeReportsItsEndAndStatsShowTheSegments) {
  CreateFilms();
  UpsertFilms();
  v1::OptimizeCollectionRequest request;
  request.set_collection("films");
  grpc::ClientContext context;
  const auto reader = collections_->OptimizeCollection(&context, request);
  v1::OptimizeProgress progress, last;
  while (reader->Read(&progress)) last = progress;
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(last.done());

  v1::GetStatsRequest stats_request;
  stats_request.set_collection("films");
  v1::CollectionStats stats;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::GetStats, stats_request, &stats).ok());
  EXPECT_EQ(stats.points(), 5u);
  EXPECT_EQ(stats.rows(), 5u);
  ASSERT_EQ(stats.segments_size(), 1);
  EXPECT_TRUE(stats.segments(0).sealed());
  EXPECT_EQ(stats.segments(0).end_row(), 5u);
}

TEST_F(ApiTest, AnUnknownCollectionIsNotFoundByEveryCall) {
  CreateFilms();
  v1::GetStatsRequest request;
  request.set_collection("filsm");
  v1::CollectionStats stats;
  const grpc::Status status = Call(collections_, &v1::Collections::Stub::GetStats, request, &stats);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("filsm"), HasSubstr("films")))
      << "lists those there are";
}

}  // namespace
}  // namespace vouch
