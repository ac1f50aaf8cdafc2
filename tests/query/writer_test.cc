#include "query/writer.h"

#include <cmath>

#include "tests/query/query_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class WriterTest : public QueryTest {
 protected:
  std::string ErrorOf(PointInput point) {
    return TryUpsert({std::move(point)}).status().ToString();
  }
  std::string PayloadError(std::string payload) {
    return ErrorOf(Point(1, {0, 0}, std::move(payload)));
  }

  // Nothing of a refused write is there.
  void TearDown() override {
    EXPECT_EQ(collection_->Stats().rows, 0u);
    QueryTest::TearDown();
  }
};

TEST_F(WriterTest, Vectors) {
  EXPECT_THAT(
      ErrorOf(Point(7, {1, 2, 3})),
      HasSubstr("point '7' (upserts[0]): field 'v': the vector has 3 dimensions, the field has 2"));
  EXPECT_THAT(ErrorOf(Point(7, {})), HasSubstr("the vector has 0 dimensions"));
  EXPECT_THAT(ErrorOf(Point(7, {1, NAN})), HasSubstr("position 1 is NaN"));
  EXPECT_THAT(ErrorOf(Point(7, {-INFINITY, 1})), HasSubstr("position 0 is infinite"));
  PointInput unknown = Point(7, {1, 2});
  unknown.vectors[0].first = "w";
  EXPECT_THAT(ErrorOf(unknown), HasSubstr("unknown vector field 'w'; there are: 'v'"));
  PointInput twice = Point(7, {1, 2});
  twice.vectors.emplace_back("v", std::vector<float>{1, 2});
  EXPECT_THAT(ErrorOf(twice), HasSubstr("field 'v' is given twice"));
}

TEST_F(WriterTest, Payloads) {
  EXPECT_THAT(PayloadError("[1]"), HasSubstr("the payload is not a JSON object"));
  EXPECT_THAT(PayloadError("7"), HasSubstr("the payload is not a JSON object"));
  EXPECT_THAT(PayloadError(""), HasSubstr("the payload is not JSON: mistake at byte"));
  EXPECT_THAT(PayloadError("{\"a\":}"), HasSubstr("the payload is not JSON: mistake at byte 6"));
  EXPECT_THAT(PayloadError("{} x"), HasSubstr("the payload is not JSON"));
  EXPECT_THAT(PayloadError("{\"a\":\"\xff\"}"), HasSubstr("the payload is not UTF-8 at byte 6"));
  EXPECT_THAT(PayloadError("{\"a\":1e999}"), HasSubstr("the payload is not JSON"));
  EXPECT_THAT(PayloadError("{\"a\":" + std::string(100'000, '[')),
              HasSubstr("over 64 levels deep"));
  EXPECT_THAT(PayloadError("{\"a\":\"" + std::string(Limits::kMaxPayloadBytes, 'x') + "\"}"),
              HasSubstr("1048584 bytes, over 1048576"));
  EXPECT_THAT(PayloadError(R"({"year":"soon"})"), HasSubstr("year"));
}

TEST_F(WriterTest, ProvenanceAndAccess) {
  PointInput point = Point(1, {0, 0});
  point.provenance = "[]";
  EXPECT_THAT(ErrorOf(point), HasSubstr("the provenance is not a JSON object"));
  point = Point(1, {0, 0});
  point.access = {"a", ""};
  EXPECT_THAT(ErrorOf(point), HasSubstr("access[1] has 0 bytes; it takes 1 to 256"));
  point.access = {"\xc0\x80"};
  EXPECT_THAT(ErrorOf(point), HasSubstr("access[0] is not UTF-8"));
  point.access = std::vector<std::string>(257, "a");
  EXPECT_THAT(ErrorOf(point), HasSubstr("257 entries, over 256"));
}

TEST_F(WriterTest, TheMistakeIsNamedByPositionAndNothingIsWritten) {
  const auto result = TryUpsert({Point(1, {0, 0}), Point(2, {1})});
  EXPECT_THAT(result.status().ToString(), HasSubstr("point '2' (upserts[1])"));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WriterTest, IdsStandOnce) {
  EXPECT_THAT(TryUpsert({Point(1, {0, 0}), Point(2, {0, 0}), Point(1, {1, 1})}).status().ToString(),
              HasSubstr("point '1' (upserts[2]): the id stands twice"));
  WriteRequest request;
  request.upserts = {Point(5, {0, 0})};
  request.deletes = {Id(4), Id(5)};
  EXPECT_THAT(collection_->Write(request).status().ToString(),
              HasSubstr("point '5' (deletes[1]): the id stands twice"));
}

TEST_F(WriterTest, CommitLimits) {
  WriteRequest request;
  for (uint64_t i = 0; i <= Limits::kMaxCommitRows; ++i) request.deletes.push_back(Id(i));
  request.documents.push_back({"d", "x"});
  EXPECT_THAT(collection_->Write(request).status().ToString(),
              HasSubstr("0 upserts and 100001 deletes, together over 100000"));
  request = {};
  request.request_id = std::string(129, 'r');
  EXPECT_THAT(collection_->Write(request).status().ToString(),
              HasSubstr("request_id has 129 bytes, over 128"));
  request = {};
  request.artifacts.push_back(
      {std::string(32, 'a'), std::string(Limits::kMaxCommitBytes + 1, 'b')});
  EXPECT_THAT(collection_->Write(std::move(request)).status().ToString(),
              HasSubstr("the write has 268435457 bytes, over 268435456"));
}

TEST_F(WriterTest, CheckSaysItForEachPointAlone) {
  const std::vector<PointInput> points = {Point(1, {0, 0}), Point(2, {0}),
                                          Point(3, {0, 0}, R"({"year":"x"})"), Point(1, {0, 0})};
  const std::vector<absl::Status> statuses = collection_->Check(points);
  ASSERT_EQ(statuses.size(), 4u);
  EXPECT_TRUE(statuses[0].ok()) << statuses[0];
  EXPECT_THAT(statuses[1].ToString(),
              HasSubstr("point '2': field 'v': the vector has 1 dimensions"));
  EXPECT_THAT(statuses[2].ToString(), HasSubstr("point '3': "));
  EXPECT_TRUE(statuses[3].ok());
}

TEST(Writer, PutsFieldsInTheSchemasOrder) {
  CollectionSchema schema;
  schema.dense.push_back(Vectors("a", 1, Metric::kL2));
  schema.dense.push_back(Vectors("b", 2, Metric::kCosine));
  schema.dense.push_back(Vectors("c", 1, Metric::kL2));
  PointInput point;
  point.id = Id(1);
  point.vectors = {{"c", {7}}, {"b", {0, -5}}};
  WriteRequest request;
  request.upserts = {point};
  const auto commit = Writer(schema).MakeCommit(CollectionId(3), 99, request);
  ASSERT_TRUE(commit.ok()) << commit.status();
  EXPECT_EQ(commit->collection, CollectionId(3));
  EXPECT_EQ(commit->time_us, 99);
  ASSERT_EQ(commit->upserts.size(), 1u);
  EXPECT_THAT(commit->upserts[0].vectors,
              ElementsAre(std::vector<float>{}, std::vector<float>{0, -1}, std::vector<float>{7}));
}

TEST(Writer, NormalisesTheLargestAndTheSmallest) {
  CollectionSchema schema;
  schema.dense.push_back(Vectors("b", 2, Metric::kCosine));
  for (const float size : {3e38f, 1e-45f}) {
    PointInput point;
    point.vectors = {{"b", {size, 0}}};
    WriteRequest request;
    request.upserts = {point};
    const auto commit = Writer(schema).MakeCommit(CollectionId(1), 0, request);
    ASSERT_TRUE(commit.ok()) << commit.status();
    EXPECT_THAT(commit->upserts[0].vectors[0], ElementsAre(1, 0));
  }
}

}  // namespace
}  // namespace vouch
