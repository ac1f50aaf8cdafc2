// Conditions on the words of texts.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/payload/text_words.h"
#include "tests/index/payload/payload_fixture.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

CollectionSchema Texts() {
  CollectionSchema schema;
  schema.payload = {{"plain", PayloadType::kText}, {"stemmed", PayloadType::kText, "english"}};
  return schema;
}

class TextFilterTest : public testing::Test {
 protected:
  std::string Rows(FilterOp op, std::string path, std::string text) {
    const Filter filter = Leaf(op, std::move(path), {std::move(text)});
    EXPECT_TRUE(ValidateFilter(filter, schema_).ok()) << ValidateFilter(filter, schema_);
    return RowsMeeting(*columns_, filter, schema_);
  }
  const CollectionSchema schema_ = Texts();
  const std::shared_ptr<const PayloadColumns> columns_ = BuildColumns(
      schema_, {R"({"plain": "The quick brown Fox", "stemmed": "The state of the art"})",                // 0
                R"({"plain": ["quick", "brown"], "stemmed": "Running foxes"})",                          // 1
                R"({"plain": "brown quick brown quick fox, quick", "stemmed": "a fox ran; it runs"})",   // 2
                R"({"plain": "Straße ÉTÉ", "stemmed": "the"})",                                          // 3
                R"({"plain": "", "stemmed": null})", R"({})"});                                          // 4, 5
};

TEST_F(TextFilterTest, WordsInAnyOrderAnyOfThemAndPhrases) {
  EXPECT_EQ(Rows(FilterOp::kMatch, "plain", "brown QUICK"), "0 1 2");
  EXPECT_EQ(Rows(FilterOp::kMatch, "plain", "brown fox quick"), "0 2");
  EXPECT_EQ(Rows(FilterOp::kMatchAny, "plain", "fox été"), "0 2 3");
  EXPECT_EQ(Rows(FilterOp::kMatchPhrase, "plain", "quick brown"), "0 2") << "not from one text into the next";
  EXPECT_EQ(Rows(FilterOp::kMatchPhrase, "plain", "quick fox quick"), "2");
  EXPECT_EQ(Rows(FilterOp::kMatchPhrase, "plain", "fox"), "0 2");
  EXPECT_EQ(Rows(FilterOp::kMatch, "plain", "STRASSE"), "3") << "folded";
  EXPECT_EQ(Rows(FilterOp::kMatch, "plain", "foxes"), "") << "no stemming unless asked for";
  EXPECT_EQ(Rows(FilterOp::kMatchPhrase, "plain", "brown unicorn"), "");
}

TEST_F(TextFilterTest, ALanguageStemsAndLeavesStopWordsOut) {
  EXPECT_EQ(Rows(FilterOp::kMatch, "stemmed", "fox run"), "1 2");
  EXPECT_EQ(Rows(FilterOp::kMatchPhrase, "stemmed", "state of art"), "0");
  EXPECT_EQ(Rows(FilterOp::kMatchPhrase, "stemmed", "runs foxes"), "1");
}

TEST_F(TextFilterTest, ATextWithoutWordsIsAValue) {
  EXPECT_EQ(RowsMeeting(*columns_, Leaf(FilterOp::kExists, "plain"), schema_), "0 1 2 3 4");
  EXPECT_EQ(RowsMeeting(*columns_, Leaf(FilterOp::kExists, "stemmed"), schema_), "0 1 2 3");
  EXPECT_EQ(RowsMeeting(*columns_, Node(FilterOp::kNot, {Leaf(FilterOp::kMatchPhrase, "plain", {"quick brown"})}), schema_),
            "1 3 4 5");
}

TEST_F(TextFilterTest, WhatDoesNotFitIsSaid) {
  const auto error = [&](const Filter& filter) { return std::string(ValidateFilter(filter, schema_).message()); };
  EXPECT_EQ(error(Leaf(FilterOp::kEq, "plain", {"fox"})),
            "field 'plain' is of type text, which has no such condition; a text is asked for its words: match 'red fox', "
            "match any 'red fox', match phrase 'red fox'");
  EXPECT_EQ(error(Leaf(FilterOp::kMatch, "plain", {"?!"})), "field 'plain': there is no word in '?!'");
  EXPECT_THAT(error(Leaf(FilterOp::kMatch, "stemmed", {"of the"})),
              HasSubstr("no word in 'of the'; stop words of the language 'english' do not count"));
  EXPECT_THAT(error(Leaf(FilterOp::kMatch, "plain", {int64_t{7}})), HasSubstr("match takes a text, not the number 7"));
  const auto of_each = [](const Filter& filter) {
    return std::string(ValidateFilter(filter, OneOfEachSchema()).message());
  };
  EXPECT_EQ(of_each(Leaf(FilterOp::kMatch, "lang", {"fox"})),
            "field 'lang' is of type keyword; match asks a field of type text");
  EXPECT_EQ(of_each(Leaf(FilterOp::kWithinRadius, "year", {1.0, 2.0, 3.0})),
            "field 'year' is of type integer; within asks a field of type geo");
  EXPECT_THAT(std::string(ParseTypedPayload(schema_, R"({"plain": 3})").status().message()),
              HasSubstr("'3' is not a text"));
}

TEST_F(TextFilterTest, WordsStandInTheOrderOfTheText) {
  EXPECT_THAT(WordsOf(schema_.payload[0], "B a, b!"), ElementsAre("b", "a", "b"));
  EXPECT_THAT(WordsOf(schema_.payload[1], "the of"), IsEmpty());
}

}  // namespace
}  // namespace vouch
