#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/index/payload/payload_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string ErrorOf(std::string_view payload) {
  const absl::Status status = ParseTypedPayload(OneOfEachSchema(), payload).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << payload;
  return std::string(status.message());
}

std::vector<PayloadValue> ValuesAt(std::string path, PayloadType type, std::string_view payload) {
  CollectionSchema schema;
  schema.payload = {{std::move(path), type}};
  return ParseTypedPayload(schema, payload).value().fields[0];
}

TEST(TypedPayloadTest, ReadsEveryType) {
  const TypedPayload payload =
      ParseTypedPayload(
          OneOfEachSchema(),
          R"({"lang":"de","year":-7,"score":2,"draft":true,"at":"1970-01-01T00:00:01Z","other":[{}]})")
          .value();
  EXPECT_THAT(payload.fields[0], ElementsAre(PayloadValue("de")));
  EXPECT_THAT(payload.fields[1], ElementsAre(PayloadValue(int64_t{-7})));
  EXPECT_THAT(payload.fields[2], ElementsAre(PayloadValue(2.0)));
  EXPECT_THAT(payload.fields[3], ElementsAre(PayloadValue(true)));
  EXPECT_THAT(payload.fields[4], ElementsAre(PayloadValue(int64_t{1'000'000})));
}

TEST(TypedPayloadTest, AbsentAndNullAreNoValues) {
  for (const char* payload : {"{}", "", R"({"lang":null,"year":[],"score":[null],"draft":null})"}) {
    const TypedPayload typed = ParseTypedPayload(OneOfEachSchema(), payload).value();
    for (const auto& values : typed.fields) {
      EXPECT_THAT(values, IsEmpty()) << payload;
    }
  }
  EXPECT_THAT(ValuesAt("a", PayloadType::kInteger, R"({"a":[1,null,2]})"),
              ElementsAre(PayloadValue(int64_t{1}), PayloadValue(int64_t{2})));
}

TEST(TypedPayloadTest, DottedPaths) {
  EXPECT_THAT(ValuesAt("a.b", PayloadType::kKeyword, R"({"a":{"b":"step"}})"),
              ElementsAre(PayloadValue("step")));
  EXPECT_THAT(ValuesAt("a.b", PayloadType::kKeyword, R"({"a":{"b":"step"},"a.b":"whole"})"),
              ElementsAre(PayloadValue("whole")));
  EXPECT_THAT(ValuesAt("a.b.c", PayloadType::kKeyword, R"({"a":{"b.c":"mixed"}})"),
              ElementsAre(PayloadValue("mixed")));
  EXPECT_THAT(ValuesAt("a.b", PayloadType::kKeyword, R"({"a":"text"})"), IsEmpty());
}

TEST(TypedPayloadTest, PathsLeadThroughArraysOfObjects) {
  EXPECT_THAT(ValuesAt("a.b", PayloadType::kKeyword,
                       R"({"a":[{"b":"x"},{"c":"y"},{"b":["z",null]},"b",null,7]})"),
              ElementsAre(PayloadValue("x"), PayloadValue("z")));
  EXPECT_THAT(ValuesAt("a.b.c", PayloadType::kInteger,
                       R"({"a":[[{"b":[{"c":1},{"c":[2,[3]]}]}],{"b":{"c":4}}]})"),
              ElementsAre(PayloadValue(int64_t{1}), PayloadValue(int64_t{2}),
                          PayloadValue(int64_t{3}), PayloadValue(int64_t{4})));
  // Each object by itself has its key of the whole path before it is stepped into.
  EXPECT_THAT(ValuesAt("a.b.c", PayloadType::kKeyword,
                       R"({"a":[{"b.c":"whole","b":{"c":"step"}},{"b":{"c":"step"}}]})"),
              ElementsAre(PayloadValue("whole"), PayloadValue("step")));
  EXPECT_THAT(ValuesAt("a", PayloadType::kKeyword, R"({"a":[["x"],[[]],["y"]]})"),
              ElementsAre(PayloadValue("x"), PayloadValue("y")));
  EXPECT_THAT(ValuesAt("a.b", PayloadType::kKeyword, R"({"a":[[],{},[{}]]})"), IsEmpty());
  // As deep as a payload is long.
  const std::string deep =
      absl::StrCat("{\"a\":", std::string(100'000, '['), "{\"b\":1}", std::string(100'000, ']'), "}");
  EXPECT_THAT(ValuesAt("a.b", PayloadType::kInteger, deep), ElementsAre(PayloadValue(int64_t{1})));
}

TEST(TypedPayloadTest, AFieldTakesValuesOfItsTypeOnly) {
  EXPECT_THAT(ErrorOf(R"({"year":[42,"42"]})"), HasSubstr("'year': '\"42\"' is not an integer"));
  EXPECT_THAT(ErrorOf(R"({"lang":["42",42]})"), HasSubstr("'lang': '42' is not a keyword"));
  EXPECT_THAT(ErrorOf(R"({"draft":"true"})"), HasSubstr("'draft': '\"true\"' is not a bool"));
  CollectionSchema schema;
  schema.payload = {{"a.b", PayloadType::kInteger}};
  EXPECT_THAT(
      std::string(ParseTypedPayload(schema, R"({"a":[{"b":1},{"b":"1"}]})").status().message()),
      HasSubstr("'a.b': '\"1\"' is not an integer"));
}

TEST(TypedPayloadTest, ErrorsNameFieldValueAndType) {
  EXPECT_EQ(ErrorOf(R"({"year":"abc"})"), "payload field 'year': '\"abc\"' is not an integer");
  EXPECT_THAT(ErrorOf(R"({"year":2.5})"), HasSubstr("'year': '2.5' is not an integer"));
  EXPECT_THAT(ErrorOf(R"({"year":9223372036854775808})"), HasSubstr("at most 9223372036854775807"));
  EXPECT_THAT(ErrorOf(R"({"lang":3})"), HasSubstr("'lang': '3' is not a keyword"));
  EXPECT_THAT(ErrorOf(R"({"lang":["a",{"b":1}]})"),
              HasSubstr("'lang': an object is not a keyword"));
  EXPECT_THAT(ErrorOf(R"({"score":"1"})"), HasSubstr("is not a float"));
  EXPECT_THAT(ErrorOf(R"({"draft":0})"), HasSubstr("'draft': '0' is not a bool"));
  EXPECT_THAT(ErrorOf(R"({"at":"yesterday"})"),
              HasSubstr("'at': 'yesterday' is not an RFC 3339 datetime"));
  EXPECT_THAT(ErrorOf(R"({"at":12})"), HasSubstr("is not a datetime"));
}

TEST(TypedPayloadTest, RefusesWhatIsNoJsonObject) {
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("is to be a JSON object; it is an array"));
  EXPECT_THAT(ErrorOf(R"({"year":)"), HasSubstr("is not JSON: a syntax error at byte 9"));
  EXPECT_THAT(ErrorOf("{\"lang\":\"\xff\"}"), HasSubstr("is not JSON"));
  EXPECT_THAT(ErrorOf(R"({"score":1e999})"), HasSubstr("a number is out of range"));
  EXPECT_THAT(ErrorOf(std::string(Limits::kMaxPayloadBytes + 1, ' ')),
              HasSubstr("the limit is 1048576"));
  EXPECT_THAT(ErrorOf(std::string(500'000, '[')), HasSubstr("is not JSON"));
}

}  // namespace
}  // namespace vouch
