#include "query/json_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::Pair;

// The table of RFC 7396, appendix A.
TEST(MergePatch, ExamplesOfTheRfc) {
  const struct {
    const char* target;
    const char* patch;
    const char* result;
  } kCases[] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", R"(null)", R"(null)"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(MergePatch(c.target, c.patch), c.result) << c.target << " with " << c.patch;
  }
}

TEST(MergePatch, WhatIsNotNamedStaysAsItIsWritten) {
  EXPECT_EQ(MergePatch(R"({"n": 1.10, "big": 123456789012345678901234567890, "t": "} , {"})",
                       R"( { "x" : 1e2 } )"),
            R"({"n":1.10,"big":123456789012345678901234567890,"t":"} , {","x":1e2})");
}

TEST(MergePatch, KeysAreComparedByWhatTheyMean) {
  EXPECT_EQ(MergePatch(R"({"\u0061":1,"b\"":2})", R"({"a":3,"b\u0022":null})"), R"({"\u0061":3})");
}

TEST(MergePatch, TheLastOfAKeyCounts) {
  EXPECT_EQ(MergePatch(R"({"a":1,"a":2})", R"({"b":0})"), R"({"a":2,"b":0})");
}

TEST(MergePatch, ARemovedKeyCanComeBack) {
  EXPECT_EQ(MergePatch(MergePatch(R"({"a":{"x":1}})", R"({"a":null})"), R"({"a":{"y":2}})"),
            R"({"a":{"y":2}})");
  EXPECT_EQ(MergePatch(R"({"a":{"x":1}})", R"({"a":null,"a":{"y":2}})"), R"({"a":{"x":1,"y":2}})");
}

TEST(RemoveKey, StepsIntoObjects) {
  EXPECT_EQ(RemoveKey(R"({"a":1,"b":{"c":2,"d":3}})", "b.c"), R"({"a":1,"b":{"d":3}})");
  EXPECT_EQ(RemoveKey(R"({"a":1})", "a"), "{}");
  EXPECT_EQ(RemoveKey(R"({"a":1})", "b.c"), R"({"a":1})");
  EXPECT_EQ(RemoveKey(R"({"a":1})", "a.c"), R"({"a":1})");
}

TEST(SplitObject, GivesKeysAndTexts) {
  EXPECT_THAT(SplitObject(" { \"a\" : [1, {\"x\":\"]\"}] , \"b\":-0.0}"),
              ElementsAre(Pair("a", "[1, {\"x\":\"]\"}]"), Pair("b", "-0.0")));
  EXPECT_THAT(SplitObject("{}"), ElementsAre());
}

TEST(OneLine, KeepsWhiteSpaceInTexts) {
  EXPECT_EQ(OneLine("{ \"a b\" :\n [1,\t\"x \\\" y\"] }"), R"({"a b":[1,"x \" y"]})");
}

}  // namespace
}  // namespace vouch
