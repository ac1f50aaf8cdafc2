#include "query/text_query_parser.h"

#include <iostream>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::HasSubstr;

CollectionSchema TextSchema() {
  CollectionSchema schema;
  for (const char* name : {"title", "body"}) {
    schema.text.emplace_back().name = name;
    schema.text.back().paths = {name};
  }
  return schema;
}
std::string Read(std::string_view text) {
  const absl::StatusOr<TextClause> clause = ParseTextQuery(text, TextSchema());
  return clause.ok() ? FormatTextClause(*clause) : std::string(clause.status().message());
}

TEST(TextQueryParserTest, ReadsWhatPeopleType) {
  EXPECT_EQ(Read("deep space"), "(deep space)");
  EXPECT_EQ(Read("ship"), "ship");
  EXPECT_EQ(Read("+ship"), "ship");
  EXPECT_EQ(Read(""), "");
  EXPECT_EQ(Read("+ship -shark space"), "(+ship space -shark)");
  EXPECT_EQ(Read("\"deep space\"~2"), "\"deep space\"~2");
  EXPECT_EQ(Read("astro* rokcet~ alein~1"), "(astro* rokcet~ alein~1)");
  EXPECT_EQ(Read("title:ship^2.5 body:(red +fox)"), "(title:ship^2.5 body:(+fox red))");
  EXPECT_EQ(Read("one two* three"), "((one three) two*)");
  EXPECT_EQ(Read("+(a b) c"), "(+(a b) c)");
  EXPECT_EQ(Read("a\\:b \\+c"), "(a:b +c)");
  EXPECT_EQ(Read("\"the \\\"end\\\"\""), "\"the \"end\"\"");
  EXPECT_EQ(Read("a\\ b"), "(a\\ b)");
}

TEST(TextQueryParserTest, MistakesAreShownWhereTheyAre) {
  EXPECT_EQ(Read("ship (deep"), "query: '(' without ')' at column 6\n  ship (deep\n       ^");
  EXPECT_EQ(Read("ship)"), "query: no '(' is open for ')' at column 5\n  ship)\n      ^");
  EXPECT_THAT(Read("\"deep"), HasSubstr("'\"' without a second one at column 1"));
  EXPECT_THAT(Read("titel:ship"),
              HasSubstr("unknown text field 'titel'; there are 'title', 'body'"));
  EXPECT_THAT(Read("a AND b"), HasSubstr("AND is no operator here"));
  EXPECT_THAT(Read("a AND b"), HasSubstr("at column 3"));
  EXPECT_THAT(Read("-a -b"), HasSubstr("only parts with '-', which find nothing"));
  EXPECT_THAT(Read("a~3"), HasSubstr("'~' takes a number up to 2 at column 2"));
  EXPECT_THAT(Read("\"a b\"~"), HasSubstr("needs a number"));
  EXPECT_THAT(Read("\"a b\"~1001"), HasSubstr("up to 1000"));
  EXPECT_THAT(Read("a^0"), HasSubstr("'^' needs a number over 0"));
  EXPECT_THAT(Read("* a"), HasSubstr("'*' without a word before it at column 1"));
  EXPECT_THAT(Read("a*b"), HasSubstr("a space is missing before 'b' at column 3"));
  EXPECT_THAT(Read("a + b"), HasSubstr("'+' before nothing at column 3"));
  EXPECT_THAT(Read("title:"), HasSubstr("a word is missing"));
  EXPECT_THAT(Read(std::string(9, '(') + "a"), HasSubstr("parentheses over 8 deep"));
  std::string many;
  for (int i = 0; i < 300; ++i) many += "+a ";
  EXPECT_THAT(Read(many), HasSubstr("over 256 parts"));
}

TEST(TextQueryParserTest, AnyBytesGiveAClauseOrAMistake) {
  constexpr uint64_t kSeed = 5;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937_64 random(kSeed);
  const std::string_view letters = "ab \"()+-~*^:\\19.title:\n\xC3";
  size_t good = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string text;
    for (uint64_t n = random() % 12; n > 0; --n) text += letters[random() % letters.size()];
    const absl::StatusOr<TextClause> clause = ParseTextQuery(text, TextSchema());
    if (clause.ok()) {
      ASSERT_TRUE(ValidateTextClause(*clause, TextSchema()).ok()) << text;
      ++good;
    } else {
      ASSERT_EQ(clause.status().code(), absl::StatusCode::kInvalidArgument);
      ASSERT_THAT(std::string(clause.status().message()), HasSubstr("column")) << text;
    }
  }
  EXPECT_GT(good, 5'000u);
}

}  // namespace
}  // namespace vouch
