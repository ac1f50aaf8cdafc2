#include "api/cli/message_json.h"

#include <gtest/gtest.h>

#include "vouch/v1/answers.pb.h"
#include "vouch/v1/evaluation.pb.h"
#include "vouch/v1/search.pb.h"

namespace vouch {
namespace {

TEST(MessageJson, IdsVectorsAndPayloadsArePlainValues) {
  v1::Hit hit;
  hit.mutable_point()->mutable_id()->set_number(18'446'744'073'709'551'615u);
  hit.mutable_point()->set_payload_json(R"({"year": 2020, "big": 12345678901234567890})");
  auto& vectors = *hit.mutable_point()->mutable_vectors();
  vectors["b"].add_values(0.1f);
  vectors["a"].add_values(-2);
  v1::SparseVector& sparse = (*hit.mutable_point()->mutable_sparse_vectors())["s"];
  sparse.add_indices(4'294'967'295u);
  sparse.add_values(0.1f);
  v1::MultiVector& multi = (*hit.mutable_point()->mutable_multi_vectors())["m"];
  multi.add_tokens()->add_values(0.1f);
  multi.add_tokens()->add_values(-3);
  const auto json = MessageToJson(hit);
  EXPECT_EQ(json["point"]["multi_vectors"].dump(), R"({"m":[[0.1],[-3.0]]})");
  EXPECT_EQ(json["point"]["id"], 18'446'744'073'709'551'615u);
  EXPECT_EQ(json["point"]["payload"]["big"].dump(), "12345678901234567890");
  EXPECT_EQ(json["point"]["vectors"].dump(), R"({"a":[-2.0],"b":[0.1]})");
  EXPECT_EQ(json["point"]["sparse_vectors"].dump(),
            R"({"s":{"indices":[4294967295],"values":[0.1]}})");
  EXPECT_FALSE(json["point"].contains("provenance")) << "an empty text is no object";
  EXPECT_EQ(json["score"], 0.0) << "a plain field is always there";

  hit.mutable_point()->mutable_id()->set_text("guide.md#3");
  EXPECT_EQ(MessageToJson(hit)["point"]["id"], "guide.md#3");
  hit.mutable_point()->mutable_id()->Clear();
  EXPECT_TRUE(MessageToJson(hit)["point"]["id"].is_null());
}

TEST(MessageJson, MeasuresAreOneObject) {
  v1::EvaluateRetrievalResult result;
  (*result.mutable_all()->mutable_values())["map"] = 0.25;
  EXPECT_EQ(MessageToJson(result)["all"].dump(), R"({"map":0.25})");
}

TEST(MessageJson, BadUtf8IsReplacedAndBadJsonKeptAsText) {
  v1::Answer answer;
  answer.set_filter_json("{not json");
  EXPECT_EQ(MessageToJson(answer)["filter"], "{not json");
  EXPECT_EQ(FormatJson(nlohmann::ordered_json("a\xff")), "\"a\xEF\xBF\xBD\"\n");
}

}  // namespace
}  // namespace vouch
