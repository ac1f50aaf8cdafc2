#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "query/filter_parser.h"

namespace vouch {
namespace {

using testing::HasSubstr;

std::string ErrorOf(std::string_view json) {
  const absl::Status status = FilterFromJson(json).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(status.message());
}

std::string AsText(std::string_view json) {
  const absl::StatusOr<Filter> filter = FilterFromJson(json);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() ? FormatFilter(*filter) : "";
}

TEST(FilterJsonTest, ReadsEveryForm) {
  EXPECT_EQ(
      AsText(
          R"({"and":[{"path":"year","op":">=","value":2020},{"not":{"path":"x","op":"exists"}}]})"),
      "year >= 2020 and not x exists");
  EXPECT_EQ(
      AsText(R"({"or":[{"path":"lang","op":"in","values":["en",1,2.0,true]},{"has_id":["a",7]}]})"),
      "lang in ('en', 1, 2.0, true) or id in ('a', '7')");
  EXPECT_EQ(AsText(R"({"path":"a","op":"==","value":false})"), "a = false");
  EXPECT_EQ(AsText(R"({"and":[]})"), "true");
}

TEST(FilterJsonTest, WritesEveryForm) {
  EXPECT_EQ(
      FilterToJson(ParseFilter("a != 1 and (b in ('x') or not c exists)").value()),
      R"({"and":[{"op":"!=","path":"a","value":1},{"or":[{"op":"in","path":"b","values":["x"]},)"
      R"({"not":{"op":"exists","path":"c"}}]}]})");
  EXPECT_EQ(FilterToJson(ParseFilter("id = 7").value()), R"({"has_id":["7"]})");
}

TEST(FilterJsonTest, UnknownKeysAreErrors) {
  EXPECT_EQ(ErrorOf(R"({"path":"a","op":"=","vlaue":1})"),
            "filter: unknown key 'vlaue'; keys here: path, op, value");
  EXPECT_THAT(ErrorOf(R"({"and":[{"or":[{"path":"a","op":"exists","value":1}]}]})"),
              HasSubstr("filter.and[0].or[0]: unknown key 'value'; keys here: path, op"));
  EXPECT_THAT(ErrorOf(R"({"and":[],"or":[]})"), HasSubstr("filter: unknown key 'or'"));
  EXPECT_THAT(ErrorOf(R"({"must":[]})"), HasSubstr("unknown key 'must'"));
}

TEST(FilterJsonTest, ErrorsNameThePlace) {
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("filter: expected 'path' and 'op'"));
  EXPECT_THAT(ErrorOf("[]"), HasSubstr("filter: expected an object, found array"));
  EXPECT_THAT(ErrorOf(R"({"and":{}})"), HasSubstr("filter.and: expected an array, found object"));
  EXPECT_THAT(ErrorOf(R"({"not":3})"), HasSubstr("filter.not: expected an object, found number"));
  EXPECT_THAT(ErrorOf(R"({"path":"a","op":"~","value":1})"),
              HasSubstr("filter.op: unknown operator '~'; operators: ="));
  EXPECT_THAT(ErrorOf(R"({"path":"a","op":"="})"), HasSubstr("filter.value: is missing"));
  EXPECT_THAT(ErrorOf(R"({"path":"a","op":"in","values":[1,null]})"),
              HasSubstr("filter.values[1]: expected a number"));
  EXPECT_THAT(ErrorOf(R"({"path":"a","op":"in","values":1})"),
              HasSubstr("filter.values: expected an array"));
  EXPECT_THAT(ErrorOf(R"({"path":"","op":"exists"})"),
              HasSubstr("filter.path: expected a text that is not empty"));
  EXPECT_THAT(ErrorOf(R"({"path":"a","op":"=","value":18446744073709551615})"),
              HasSubstr("more than the limit"));
  EXPECT_THAT(ErrorOf(R"({"has_id":[-1]})"), HasSubstr("filter.has_id[0]: expected a point id"));
  EXPECT_THAT(ErrorOf(R"({"path":)"), HasSubstr("is not JSON: a syntax error at byte"));
}

TEST(FilterJsonTest, BoundsDepthAndSize) {
  std::string deep = R"({"path":"a","op":"exists"})";
  for (int i = 0; i < 31; ++i) deep = R"({"not":)" + deep + "}";
  EXPECT_TRUE(FilterFromJson(deep).ok());
  EXPECT_THAT(ErrorOf(R"({"not":)" + deep + "}"), HasSubstr("nested more than 32 deep"));
  std::string hostile;
  for (int i = 0; i < 100'000; ++i) hostile += R"({"not":)";
  hostile += "1" + std::string(100'000, '}');
  EXPECT_THAT(ErrorOf(hostile), HasSubstr("nested more than 32 deep"));
  std::string list = R"({"path":"a","op":"in","values":[0)";
  for (int i = 0; i < 10'000; ++i) list += ",1";
  EXPECT_THAT(ErrorOf(list + "]}"), HasSubstr("10001 values; the limit is 10000"));
}

}  // namespace
}  // namespace vouch
