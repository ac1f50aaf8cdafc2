// Conditional and partial writes, diff, restore and aliases over gRPC.
#include "gmock/gmock.h"
#include "tests/api/api_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class WriteServiceTest : public ApiTest {
 protected:
  void SetUp() override {
    CreateFilms();
    UpsertFilms();
  }
  v1::Point Get(uint64_t id, const std::string& at = "") {
    v1::GetRequest request;
    request.set_collection("films");
    request.set_at(at);
    request.add_ids()->set_number(id);
    request.mutable_projection()->set_written_version(true);
    request.mutable_projection()->set_access(true);
    v1::GetResponse response;
    EXPECT_TRUE(Call(points_, &v1::Points::Stub::Get, request, &response).ok());
    return response.points_size() == 1 ? response.points(0) : v1::Point();
  }
  v1::WriteReply reply_;
};

TEST_F(WriteServiceTest, Conditions) {
  v1::UpsertRequest request;
  request.set_collection("films");
  *request.add_points() = Film(1, {9, 9}, "{}");
  request.add_conditions()->set_version(1);
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::Upsert, request, &reply_).ok());
  EXPECT_EQ(reply_.version(), 2u);
  EXPECT_EQ(Get(1).written_version(), 2u);
  const grpc::Status stale = Call(points_, &v1::Points::Stub::Upsert, request, &reply_);
  EXPECT_EQ(stale.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(stale.error_message(), HasSubstr("point 1"));
  request.mutable_conditions(0)->mutable_matches()->set_expression("year >= ");
  EXPECT_THAT(Call(points_, &v1::Points::Stub::Upsert, request, &reply_).error_message(),
              HasSubstr("conditions[0]: "));
  request.mutable_conditions(0)->Clear();
  EXPECT_THAT(Call(points_, &v1::Points::Stub::Upsert, request, &reply_).error_message(),
              HasSubstr("conditions[0]: it says nothing"));
}

TEST_F(WriteServiceTest, UpdateById) {
  v1::UpdateRequest request;
  request.set_collection("films");
  v1::PointUpdate* update = request.add_updates();
  update->mutable_id()->set_number(1);
  update->mutable_change()->set_payload_patch_json(R"({"lang":null,"stock":3})");
  update->mutable_change()->mutable_access()->add_entries("anonymous");
  const grpc::Status status = Call(points_, &v1::Points::Stub::Update, request, &reply_);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply_.matched(), 1u);
  EXPECT_EQ(Get(1).payload_json(), R"({"title":"alien desert","year":1979,"stock":3})");
  EXPECT_THAT(Get(1).access(), ElementsAre("anonymous"));
  request.mutable_change()->add_remove_keys("x");
  EXPECT_EQ(Call(points_, &v1::Points::Stub::Update, request, &reply_).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WriteServiceTest, UpdateAndDeleteByFilter) {
  v1::UpdateRequest update;
  update.set_collection("films");
  update.mutable_selection()->mutable_filter()->set_expression("year > 2000");
  update.mutable_change()->set_payload_patch_json(R"({"new":true})");
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::Update, update, &reply_).ok());
  EXPECT_EQ(reply_.upserted(), 2u);
  v1::DeleteByFilterRequest erase;
  erase.set_collection("films");
  EXPECT_THAT(Call(points_, &v1::Points::Stub::DeleteByFilter, erase, &reply_).error_message(),
              HasSubstr("there is no filter"));
  erase.mutable_selection()->mutable_filter()->set_expression("year > 2000");
  erase.mutable_selection()->set_expected_count(3);
  EXPECT_THAT(Call(points_, &v1::Points::Stub::DeleteByFilter, erase, &reply_).error_message(),
              HasSubstr("matches 2 points"));
  erase.mutable_selection()->set_expected_count(2);
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::DeleteByFilter, erase, &reply_).ok());
  EXPECT_EQ(reply_.retired(), 2u);
}

TEST_F(WriteServiceTest, ProvenanceIsTakenFromImportsAlone) {
  v1::UpsertRequest request;
  request.set_collection("films");
  *request.add_points() = Film(7, {1, 1}, "{}");
  request.mutable_points(0)->set_provenance_json(R"({"a":1})");
  EXPECT_EQ(Call(points_, &v1::Points::Stub::Upsert, request, &reply_).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  request.set_keep_provenance(true);
  EXPECT_TRUE(Call(points_, &v1::Points::Stub::Upsert, request, &reply_).ok());
}

TEST_F(WriteServiceTest, DiffAndRestore) {
  UpsertFilms();
  v1::DiffRequest diff;
  diff.set_collection("films");
  diff.set_from("v1");
  diff.set_limit(2);
  v1::DiffResponse response;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::Diff, diff, &response).ok());
  EXPECT_EQ(response.replaced(), 5u);
  ASSERT_EQ(response.entries_size(), 2);
  EXPECT_EQ(response.entries(0).kind(), v1::DIFF_KIND_REPLACED);
  EXPECT_EQ(response.entries(0).changed_size(), 0);
  EXPECT_FALSE(response.next_cursor().empty());
  v1::RestoreVersionRequest restore;
  restore.set_collection("films");
  EXPECT_EQ(Call(collections_, &v1::Collections::Stub::Restore, restore, &reply_).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  restore.set_at("v1");
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::Restore, restore, &reply_).ok());
  EXPECT_EQ(reply_.version(), 3u);
  EXPECT_EQ(Get(1).written_version(), 3u);
}

TEST_F(WriteServiceTest, AliasesAreTakenWhereNamesAre) {
  v1::MoveAliasesRequest move;
  move.add_moves()->set_alias("live");
  move.mutable_moves(0)->set_collection("films");
  v1::ListAliasesResponse aliases;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::MoveAliases, move, &aliases).ok());
  ASSERT_EQ(aliases.aliases_size(), 1);
  EXPECT_EQ(aliases.aliases(0).collection(), "films");
  v1::GetCollectionRequest get;
  get.set_name("live");
  v1::Collection collection;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::GetCollection, get, &collection).ok());
  EXPECT_EQ(collection.name(), "films");  // the real name
  v1::CountRequest count;
  count.set_collection("live");
  v1::CountResponse counted;
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::Count, count, &counted).ok());
  EXPECT_EQ(counted.count(), 5u);
}

}  // namespace
}  // namespace vouch
