#include "api/cli/point_json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(PointJsonTest, RoundTripsEverything) {
  const std::string line =
      R"({"id":"a\"b","vectors":{"v":[0.1,-3,1e-10],"w":[1]},)"
      R"("sparse_vectors":{"s":{"indices":[3,4294967295],"values":[0.5,0.25]}},)"
      R"("multi_vectors":{"m":[[0.1,-3],[1e-10,2]],"n":[[7]]},)"
      R"("payload":{"n":1.10,"big":123456789012345678901234567890,"t":" { "},)"
      R"("provenance":{"from":"x"},"access":["team","ada"]})";
  const auto point = PointFromJson(line);
  ASSERT_TRUE(point.ok()) << point.status();
  EXPECT_EQ(point->id().text(), "a\"b");
  EXPECT_THAT(point->vectors().at("v").values(), ElementsAre(0.1f, -3, 1e-10f));
  EXPECT_THAT(point->access(), ElementsAre("team", "ada"));
  EXPECT_EQ(PointToJson(*point).substr(0, 20), line.substr(0, 20));
  const auto again = PointFromJson(PointToJson(*point));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(PointToJson(*again), PointToJson(*point));
  EXPECT_EQ(again->payload_json(), point->payload_json());
  EXPECT_EQ(again->vectors().at("v").values(2), 1e-10f);
  EXPECT_EQ(again->sparse_vectors().at("s").indices(1), 4294967295u);
  EXPECT_THAT(again->multi_vectors().at("m").tokens(1).values(), ElementsAre(1e-10f, 2));
  EXPECT_EQ(again->multi_vectors().at("n").tokens_size(), 1);
  EXPECT_THAT(PointToJson(*again), HasSubstr(R"("multi_vectors":{"m":[[0.1,-3],[1e-10,2]],"n":[[7]]})"));
}

TEST(PointJsonTest, NumbersAndTextsAreDifferentIds) {
  EXPECT_EQ(PointFromJson(R"({"id":42})")->id().number(), 42u);
  EXPECT_EQ(PointFromJson(R"({"id":"42"})")->id().text(), "42");
  EXPECT_EQ(PointIdFromWord("42").number(), 42u);
  EXPECT_EQ(PointIdFromWord("42a").text(), "42a");
  EXPECT_EQ(PointIdFromWord("99999999999999999999").text(), "99999999999999999999");
}

TEST(PointJsonTest, MistakesAreNamed) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "it is not JSON"},
      {"{\"id\":1", "it is not JSON: parse error at line 1, column 8"},
      {"[1]", "a point is a JSON object"},
      {"{}", "the point has no \"id\""},
      {R"({"id":-1})", "\"id\" is a whole number from 0 on or a text, not -1"},
      {R"({"id":1.5})", "not 1.5"},
      {R"({"id":""})", "\"id\" is"},
      {R"({"id":1,"vector":[1]})", "there is no key \"vector\"; a point has id, vectors"},
      {R"({"id":1,"vectors":[1]})", "\"vectors\" is an object of vectors by field, not [1]"},
      {R"({"id":1,"vectors":{"v":["x"]}})", "\"vectors\".\"v\" is a list of numbers, not \"x\""},
      {R"({"id":1,"sparse_vectors":{"s":{"indices":[-1],"values":[1]}}})", "not -1"},
      {R"({"id":1,"multi_vectors":[[1]]})", "\"multi_vectors\" is an object of lists of token vectors by field"},
      {R"({"id":1,"multi_vectors":{"m":[1]}})",
       "\"multi_vectors\".\"m\" is a list of lists of numbers, one a token, not 1"},
      {R"({"id":1,"multi_vectors":{"m":[[1,2],[3]]}})",
       "\"multi_vectors\".\"m\"[1] has as many numbers as the first token, 2, not 1"},
      {R"({"id":1,"multi_vectors":{"m":[["x"]]}})", "one a token, not \"x\""},
      {R"({"id":1,"payload":3})", "\"payload\" is an object, not 3"},
      {R"({"id":1,"access":[1]})", "\"access\" is a list of texts, not [1]"},
  };
  for (const auto& [line, message] : kCases) {
    EXPECT_THAT(PointFromJson(line).status().ToString(), HasSubstr(message)) << line;
  }
}

}  // namespace
}  // namespace vouch
