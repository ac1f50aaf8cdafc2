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

TEST(FilterJsonTest, AreasAndWords) {
  for (const auto& [text, json] : std::vector<std::pair<std::string, std::string>>{
           {"p within 5000.0 m of (52.5, 13.0)",
            R"({"center":{"lat":52.5,"lon":13.0},"op":"within_radius","path":"p","radius":5000.0})"},
           {"p within box((1.0, 2.0), (3.0, 4.0))",
            R"({"north_east":{"lat":3.0,"lon":4.0},"op":"within_box","path":"p","south_west":{"lat":1.0,"lon":2.0}})"},
           {"p within polygon((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))",
            R"({"op":"within_polygon","path":"p","points":[{"lat":1.0,"lon":2.0},{"lat":3.0,"lon":4.0},{"lat":5.0,"lon":6.0}]})"},
           {"b match 'x y'", R"({"op":"match","path":"b","value":"x y"})"},
           {"b match any 'x y'", R"({"op":"match_any","path":"b","value":"x y"})"},
           {"b match phrase 'x y'", R"({"op":"match_phrase","path":"b","value":"x y"})"}}) {
    EXPECT_EQ(AsText(json), text);
    EXPECT_EQ(FilterToJson(ParseFilter(text).value()), json);
  }
  EXPECT_EQ(AsText(R"({"path":"p","op":"within_radius","center":{"lat":52,"lon":13},"radius":7})"),
            "p within 7.0 m of (52.0, 13.0)");
  EXPECT_THAT(ErrorOf(R"({"path":"p","op":"within_radius","center":{"lat":52},"radius":7})"),
              HasSubstr("filter.center.lon: is missing"));
  EXPECT_THAT(ErrorOf(R"({"path":"p","op":"within_radius","center":[52,13],"radius":7})"),
              HasSubstr("filter.center: expected a point {\"lat\": …, \"lon\": …}, found array"));
  EXPECT_THAT(ErrorOf(R"({"path":"p","op":"within_radius","center":{"lat":52,"lng":13},"radius":7})"),
              HasSubstr("filter.center: unknown key 'lng'; keys here: lat, lon"));
  EXPECT_THAT(ErrorOf(R"({"path":"p","op":"within_radius","center":{"lat":52,"lon":13},"radius":"7km"})"),
              HasSubstr("filter.radius: expected a number of metres"));
  EXPECT_THAT(ErrorOf(R"({"path":"p","op":"within_radius","center":{"lat":52,"lon":13}})"),
              HasSubstr("filter.radius: is missing"));
  EXPECT_THAT(ErrorOf(R"({"path":"p","op":"within_box","south_west":{"lat":"1","lon":2},"north_east":{"lat":3,"lon":4}})"),
              HasSubstr("filter.south_west.lat: expected a number, found string"));
  EXPECT_THAT(ErrorOf(R"({"path":"p","op":"within_polygon","points":[{"lat":1,"lon":2}]})"),
              HasSubstr("filter.points: expected an array of 3 points at least"));
  EXPECT_THAT(ErrorOf(R"({"path":"b","op":"match","value":7})"), HasSubstr("filter.value: expected a text"));
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
