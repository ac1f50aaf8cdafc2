#include <gmock/gmock.h>

#include <limits>

#include "tests/api/api_fixture.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PointsTest : public ApiTest {
 protected:
  PointsTest() {
    CreateFilms();
    UpsertFilms();
  }

  uint64_t Count(const std::string& filter, const std::string& at = "") {
    v1::CountRequest request;
    request.set_collection("films");
    request.set_at(at);
    if (!filter.empty()) request.mutable_filter()->set_expression(filter);
    v1::CountResponse response;
    const grpc::Status status = Call(points_, &v1::Points::Stub::Count, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.count();
  }
};

TEST_F(PointsTest, GetGivesWhatWasWrittenAndNamesWhatIsMissing) {
  v1::GetRequest request;
  request.set_collection("films");
  request.add_ids()->set_number(3);
  request.add_ids()->set_text("no such");
  request.add_ids()->set_number(1);
  request.mutable_projection()->set_vectors(true);
  v1::GetResponse response;
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::Get, request, &response).ok());
  ASSERT_EQ(response.points_size(), 2);
  EXPECT_EQ(response.points(0).id().number(), 3u);
  EXPECT_THAT(response.points(0).payload_json(), HasSubstr("quiet sea"));
  EXPECT_THAT(response.points(0).vectors().at("v").values(), ElementsAre(3, 0));
  ASSERT_EQ(response.missing_size(), 1);
  EXPECT_EQ(response.missing(0).text(), "no such");
  EXPECT_EQ(response.version(), 1u);

  request.mutable_projection()->set_no_payload(true);
  request.mutable_projection()->set_vectors(false);
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::Get, request, &response).ok());
  EXPECT_EQ(response.points(0).payload_json(), "");
  EXPECT_EQ(response.points(0).vectors_size(), 0);
}

TEST_F(PointsTest, ReadsTakeVersionsAndTimes) {
  v1::DeleteRequest request;
  request.set_collection("films");
  request.add_ids()->set_number(1);
  request.add_ids()->set_number(77);
  v1::WriteReply reply;
  ASSERT_TRUE(Call(points_, &v1::Points::Stub::Delete, request, &reply).ok());
  EXPECT_EQ(reply.version(), 2u);
  EXPECT_EQ(reply.retired(), 1u);
  EXPECT_EQ(Count(""), 4u);
  EXPECT_EQ(Count("", "v1"), 5u);
  EXPECT_EQ(Count("", "latest"), 4u);
  EXPECT_EQ(Count("", "@2000-01-01T00:00:00Z"), 0u);

  v1::CountRequest count;
  count.set_collection("films");
  v1::CountResponse response;
  count.set_at("v3");
  EXPECT_EQ(Call(points_, &v1::Points::Stub::Count, count, &response).error_code(),
            grpc::StatusCode::OUT_OF_RANGE);
  count.set_at("no-such-tag");
  EXPECT_EQ(Call(points_, &v1::Points::Stub::Count, count, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
  count.set_at("@yesterday");
  EXPECT_EQ(Call(points_, &v1::Points::Stub::Count, count, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(PointsTest, ARepeatedRequestIdGetsTheFirstReply) {
  v1::WriteReply first, second;
  ASSERT_TRUE(Upsert({Film(1, {7, 7}, "{}")}, &first, "once").ok());
  ASSERT_TRUE(Upsert({Film(1, {7, 7}, "{}")}, &second, "once").ok());
  EXPECT_FALSE(first.replayed());
  EXPECT_TRUE(second.replayed());
  EXPECT_EQ(second.version(), first.version());
  EXPECT_EQ(second.upserted(), first.upserted());
  EXPECT_EQ(second.retired(), first.retired());
}

TEST_F(PointsTest, ExpectedVersionIsCompareAndSwap) {
  v1::UpsertRequest request;
  request.set_collection("films");
  *request.add_points() = Film(1, {7, 7}, "{}");
  request.set_expected_version(0);
  v1::WriteReply reply;
  EXPECT_EQ(Call(points_, &v1::Points::Stub::Upsert, request, &reply).error_code(),
            grpc::StatusCode::ABORTED);
  request.set_expected_version(1);
  EXPECT_TRUE(Call(points_, &v1::Points::Stub::Upsert, request, &reply).ok());
}

TEST_F(PointsTest, BadPointsAreNamedAndNothingOfTheRequestHappens) {
  v1::WriteReply reply;
  const auto refused = [&](const v1::Point& bad, const std::string& what) {
    const grpc::Status status = Upsert({Film(10, {1, 1}, "{}"), bad}, &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << what;
    EXPECT_THAT(status.error_message(), HasSubstr(what));
  };
  refused(Film(11, {1, 2, 3}, "{}"), "11");
  refused(Film(11, {1, std::numeric_limits<float>::quiet_NaN()}, "{}"), "11");
  refused(Film(11, {1, 2}, "[1]"), "11");
  refused(Film(11, {1, 2}, "{\"a\":"), "11");
  refused(Film(11, {1, 2}, R"({"year": "soon"})"), "year");
  refused(Film(10, {1, 2}, "{}"), "10");
  refused(Film(11, {1, 2}, "{\"a\": \"" + std::string(2 << 20, 'x') + "\"}"), "1048576");
  v1::Point nameless = Film(11, {1, 2}, "{}");
  nameless.clear_id();
  refused(nameless, "points[1]");
  v1::Point unknown = Film(11, {1, 2}, "{}");
  (*unknown.mutable_vectors())["w"].add_values(1);
  refused(unknown, "'w'");
  v1::Point forged = Film(11, {1, 2}, "{}");
  forged.set_provenance_json("{}");
  refused(forged, "provenance_json");
  EXPECT_EQ(Count(""), 5u);
}

TEST_F(PointsTest, VectorsWithoutADirectionAreRefusedUnderCosine) {
  v1::CreateCollectionRequest create;
  create.set_name("directions");
  create.mutable_schema()->add_dense()->set_name("v");
  create.mutable_schema()->mutable_dense(0)->set_dim(2);
  create.mutable_schema()->mutable_dense(0)->set_metric(v1::METRIC_COSINE);
  v1::Collection made;
  ASSERT_TRUE(Call(collections_, &v1::Collections::Stub::CreateCollection, create, &made).ok());
  const auto upsert = [&](float x, float y) {
    v1::UpsertRequest request;
    request.set_collection("directions");
    *request.add_points() = Film(7, {x, y}, "{}");
    v1::WriteReply reply;
    return Call(points_, &v1::Points::Stub::Upsert, request, &reply);
  };
  EXPECT_TRUE(upsert(0, 1e-20f).ok());
  for (const float zero : {0.0f, -0.0f}) {
    const grpc::Status status = upsert(zero, 0);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr("'7'"), HasSubstr("'v'"), HasSubstr("zero vector")));
  }
  EXPECT_THAT(upsert(1, std::numeric_limits<float>::infinity()).error_message(),
              AllOf(HasSubstr("'7'"), HasSubstr("position 1 is infinite")));
}

// Bytes that are not UTF-8 in a string, as no generated code of another language sends them: gRPC
// refuses the message before the service sees it.
TEST_F(PointsTest, BadUtf8IsRefusedAndNothingHappens) {
  v1::WriteReply reply;
  const grpc::Status status = Upsert({Film(10, {1, 1}, "{\"a\": \"\xff\"}")}, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(Count(""), 5u);
}

TEST_F(PointsTest, ScrollGoesThroughAllPagesOfOneVersion) {
  v1::ScrollRequest request;
  request.set_collection("films");
  request.set_limit(2);
  std::vector<uint64_t> ids;
  v1::ScrollResponse response;
  do {
    ASSERT_TRUE(Call(points_, &v1::Points::Stub::Scroll, request, &response).ok());
    EXPECT_EQ(response.version(), 1u);
    for (const v1::Point& point : response.points()) ids.push_back(point.id().number());
    request.set_cursor(response.next_cursor());
    // Writes between the pages change nothing of them.
    v1::WriteReply reply;
    ASSERT_TRUE(Upsert({Film(100 + ids.size(), {1, 1}, "{}"), Film(5, {5, 5}, "{}")}, &reply).ok());
  } while (!response.next_cursor().empty());
  EXPECT_THAT(ids, ElementsAre(1, 2, 3, 4, 5));

  request.set_cursor("nonsense");
  EXPECT_EQ(Call(points_, &v1::Points::Stub::Scroll, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(PointsTest, StructuredFiltersAreThoseOfTheExpression) {
  const auto count = [this](const v1::Filter& filter) {
    v1::CountRequest request;
    request.set_collection("films");
    *request.mutable_filter() = filter;
    v1::CountResponse response;
    const grpc::Status status = Call(points_, &v1::Points::Stub::Count, request, &response);
    return status.ok() ? std::to_string(response.count()) : status.error_message();
  };
  v1::Filter filter;
  v1::Comparison* year = filter.mutable_comparison();
  year->set_path("year");
  year->set_op(v1::Comparison::GE);
  year->add_values()->set_integer(1991);
  EXPECT_EQ(count(filter), "3");
  v1::Filter negated;
  *negated.mutable_negate() = filter;
  EXPECT_EQ(count(negated), "2");
  v1::Filter both;
  *both.mutable_all_of()->add_filters() = filter;
  v1::Comparison* lang = both.mutable_all_of()->add_filters()->mutable_comparison();
  lang->set_path("lang");
  lang->set_op(v1::Comparison::IN);
  lang->add_values()->set_text("en");
  lang->add_values()->set_text("de");
  EXPECT_EQ(count(both), "2");
  both.mutable_any_of();
  EXPECT_EQ(count(both), "0") << "any of none";
  v1::Filter ids;
  ids.mutable_has_id()->add_ids()->set_number(2);
  EXPECT_EQ(count(ids), "1");
  v1::Filter exists;
  exists.set_exists("year");
  EXPECT_EQ(count(exists), "4");

  EXPECT_THAT(count(v1::Filter()), HasSubstr("without content"));
  year->add_values()->set_integer(1);
  EXPECT_THAT(count(filter), AllOf(HasSubstr("'year'"), HasSubstr("2 values")));
  year->clear_values();
  year->add_values();
  EXPECT_THAT(count(filter), HasSubstr("not set"));
  v1::Filter deep;
  for (int i = 0; i < 40; ++i) {
    v1::Filter outer;
    *outer.mutable_negate() = deep;
    deep = outer;
  }
  EXPECT_THAT(count(deep), HasSubstr("deeper than 32"));
}

TEST_F(PointsTest, AMistakeInAnExpressionHasItsColumn) {
  v1::CountRequest request;
  request.set_collection("films");
  request.mutable_filter()->set_expression("year >= ");
  v1::CountResponse response;
  const grpc::Status status = Call(points_, &v1::Points::Stub::Count, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("column"));
}

}  // namespace
}  // namespace vouch
