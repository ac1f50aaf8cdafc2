#include "query/filter_parser.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vouch {
namespace {

using testing::HasSubstr;

Filter Leaf(FilterOp op, std::string path, std::vector<FilterValue> values = {}) {
  return {.op = op, .path = std::move(path), .values = std::move(values)};
}
Filter Node(FilterOp op, std::vector<Filter> children) {
  return {.op = op, .children = std::move(children)};
}
Filter Parsed(std::string_view text) {
  const absl::StatusOr<Filter> filter = ParseFilter(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() ? *filter : Filter();
}
std::string ParseErrorOf(std::string_view text) {
  const absl::Status status = ParseFilter(text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(FilterParserTest, TheExampleOfTheManual) {
  EXPECT_EQ(
      Parsed("year >= 2020 and lang in ('en','de') and not archived"),
      Node(FilterOp::kAnd,
           {Leaf(FilterOp::kGe, "year", {int64_t{2020}}), Leaf(FilterOp::kIn, "lang", {"en", "de"}),
            Node(FilterOp::kNot, {Leaf(FilterOp::kEq, "archived", {true})})}));
}

TEST(FilterParserTest, Comparisons) {
  EXPECT_EQ(Parsed("a=1"), Leaf(FilterOp::kEq, "a", {int64_t{1}}));
  EXPECT_EQ(Parsed("a == -1"), Leaf(FilterOp::kEq, "a", {int64_t{-1}}));
  EXPECT_EQ(Parsed("a!=1.0"), Leaf(FilterOp::kNe, "a", {1.0}));
  EXPECT_EQ(Parsed("a<1e3"), Leaf(FilterOp::kLt, "a", {1000.0}));
  EXPECT_EQ(Parsed("a <= -2.5E-1"), Leaf(FilterOp::kLe, "a", {-0.25}));
  EXPECT_EQ(Parsed("a > \"x\"\"y\""), Leaf(FilterOp::kGt, "a", {"x\"y"}));
  EXPECT_EQ(Parsed("a >= 'it''s'"), Leaf(FilterOp::kGe, "a", {"it's"}));
  EXPECT_EQ(Parsed("a = FALSE"), Leaf(FilterOp::kEq, "a", {false}));
  EXPECT_EQ(Parsed("a = -9223372036854775808"),
            Leaf(FilterOp::kEq, "a", {std::numeric_limits<int64_t>::min()}));
  EXPECT_EQ(Parsed("meta.a_1 Exists"), Leaf(FilterOp::kExists, "meta.a_1"));
  EXPECT_EQ(Parsed("`x``y z` in ()"), Leaf(FilterOp::kIn, "x`y z"));
  EXPECT_EQ(Parsed("`true`"), Leaf(FilterOp::kEq, "true", {true}));
}

TEST(FilterParserTest, PrecedenceAndParentheses) {
  const Filter a = Leaf(FilterOp::kEq, "a", {true});
  const Filter b = Leaf(FilterOp::kEq, "b", {true});
  const Filter c = Leaf(FilterOp::kEq, "c", {true});
  EXPECT_EQ(Parsed("a or b and c"), Node(FilterOp::kOr, {a, Node(FilterOp::kAnd, {b, c})}));
  EXPECT_EQ(Parsed("(a or b) and c"), Node(FilterOp::kAnd, {Node(FilterOp::kOr, {a, b}), c}));
  EXPECT_EQ(Parsed("not a and b"), Node(FilterOp::kAnd, {Node(FilterOp::kNot, {a}), b}));
  EXPECT_EQ(Parsed("NOT (a AND b)"), Node(FilterOp::kNot, {Node(FilterOp::kAnd, {a, b})}));
  EXPECT_EQ(Parsed("a and b and c"), Node(FilterOp::kAnd, {a, b, c}));
  EXPECT_EQ(Parsed("(a and b) and c"), Node(FilterOp::kAnd, {Node(FilterOp::kAnd, {a, b}), c}));
  EXPECT_EQ(Parsed("((a))"), a);
  EXPECT_EQ(Parsed("true or false"),
            Node(FilterOp::kOr, {Node(FilterOp::kAnd, {}), Node(FilterOp::kOr, {})}));
  EXPECT_EQ(Parsed("a not in (1)"), Node(FilterOp::kNot, {Leaf(FilterOp::kIn, "a", {int64_t{1}})}));
}

TEST(FilterParserTest, TheIdOfThePoint) {
  EXPECT_EQ(Parsed("id = 42"), Leaf(FilterOp::kHasId, "", {"42"}));
  EXPECT_EQ(Parsed("id in (18446744073709551615, 'guide.md#3')"),
            Leaf(FilterOp::kHasId, "", {"18446744073709551615", "guide.md#3"}));
  EXPECT_EQ(Parsed("id != 'x'"), Node(FilterOp::kNot, {Leaf(FilterOp::kHasId, "", {"x"})}));
  EXPECT_EQ(Parsed("id not in (1)"), Node(FilterOp::kNot, {Leaf(FilterOp::kHasId, "", {"1"})}));
  EXPECT_EQ(Parsed("`id` = 1"), Leaf(FilterOp::kEq, "id", {int64_t{1}}));
  EXPECT_THAT(ParseErrorOf("id < 3"),
              HasSubstr("expected '=', '!=', 'in' or 'not in' after id, found '<' at column 4"));
  EXPECT_THAT(ParseErrorOf("id"), HasSubstr("after id, found the end"));
  EXPECT_THAT(ParseErrorOf("id = -1"), HasSubstr("the number -1 is no point id"));
  EXPECT_THAT(ParseErrorOf("id = 1.5"), HasSubstr("is no point id"));
  EXPECT_THAT(ParseErrorOf("id = true"), HasSubstr("expected a point id"));
}

TEST(FilterParserTest, Areas) {
  const Filter near = Leaf(FilterOp::kWithinRadius, "place", {52.52, 13.405, 5000.0});
  for (const char* text : {"place within 5 km of (52.52, 13.405)", "place WITHIN 5km OF (52.52,13.405)",
                           "place within 5000.0m of (52.52, 13.405)", "place within 5e3 m of (52.52, 13.405)"}) {
    EXPECT_EQ(Parsed(text), near) << text;
  }
  EXPECT_EQ(Parsed("p within 1 mi of (1, -2)"), Leaf(FilterOp::kWithinRadius, "p", {1.0, -2.0, 1609.344}));
  EXPECT_EQ(Parsed("p within box((1, 2), (3.5, -4))"), Leaf(FilterOp::kWithinBox, "p", {1.0, 2.0, 3.5, -4.0}));
  EXPECT_EQ(Parsed("p within polygon((0, 0), (0, 9), (9, 0))"),
            Leaf(FilterOp::kWithinPolygon, "p", {0.0, 0.0, 0.0, 9.0, 9.0, 0.0}));
  EXPECT_EQ(FormatFilter(near), "place within 5000.0 m of (52.52, 13.405)");
  // The words mean something in their place only.
  EXPECT_EQ(Parsed("within within box((1, 2), (3, 4))"), Leaf(FilterOp::kWithinBox, "within", {1.0, 2.0, 3.0, 4.0}));
  EXPECT_EQ(Parsed("match and any = 3"), Node(FilterOp::kAnd, {Leaf(FilterOp::kEq, "match", {true}),
                                                               Leaf(FilterOp::kEq, "any", {int64_t{3}})}));
  EXPECT_EQ(ParseErrorOf("place within 5 of (52, 13)"),
            "filter: expected the unit of the distance: m, km or mi, found the path 'of' at column 16\n"
            "  place within 5 of (52, 13)\n"
            "                 ^");
  EXPECT_THAT(ParseErrorOf("place within 5 parsec of (1, 2)"), HasSubstr("m, km or mi, found the path 'parsec'"));
  EXPECT_THAT(ParseErrorOf("p within 5kmh of (1, 2)"), HasSubstr("expected the end of the number, found 'k'"));
  EXPECT_THAT(ParseErrorOf("p within 5 km (1, 2)"), HasSubstr("expected 'of', found '('"));
  EXPECT_THAT(ParseErrorOf("p within 5 km of 1, 2"), HasSubstr("expected a point (latitude, longitude), found the number 1"));
  EXPECT_THAT(ParseErrorOf("p within 5 km of (1 2)"), HasSubstr("expected ',', found the number 2"));
  EXPECT_THAT(ParseErrorOf("p within 5 km of ('1', 2)"), HasSubstr("expected a latitude, found the text '1'"));
  EXPECT_THAT(ParseErrorOf("p within circle"), HasSubstr("expected a distance, 'box' or 'polygon', found the path 'circle'"));
  EXPECT_THAT(ParseErrorOf("p within box((1, 2))"), HasSubstr("expected ',' and the north-eastern corner, found ')'"));
  EXPECT_THAT(ParseErrorOf("p within box((1, 2), (3, 4), (5, 6))"), HasSubstr("a box has two corners"));
  EXPECT_THAT(ParseErrorOf("p within polygon((1, 2), (3, 4))"), HasSubstr("a polygon has 3 points at least at column 1"));
  std::string many = "p within polygon((0, 0)";
  for (int i = 0; i < 5'001; ++i) many += ", (1, 1)";
  EXPECT_THAT(ParseErrorOf(many + ")"), HasSubstr("more than 5000 points"));
}

TEST(FilterParserTest, WordsOfTexts) {
  EXPECT_EQ(Parsed("body match 'red fox'"), Leaf(FilterOp::kMatch, "body", {"red fox"}));
  EXPECT_EQ(Parsed("body match all 'red fox'"), Leaf(FilterOp::kMatch, "body", {"red fox"}));
  EXPECT_EQ(Parsed("body match any \"red fox\""), Leaf(FilterOp::kMatchAny, "body", {"red fox"}));
  EXPECT_EQ(Parsed("not body Match Phrase 'it''s'"),
            Node(FilterOp::kNot, {Leaf(FilterOp::kMatchPhrase, "body", {"it's"})}));
  EXPECT_EQ(ParseErrorOf("body match fox"),
            "filter: expected a text in quotes, found the path 'fox' at column 12\n  body match fox\n             ^");
  EXPECT_THAT(ParseErrorOf("body match any 7"), HasSubstr("expected a text in quotes, found the number 7"));
}

TEST(FilterParserTest, ErrorsShowThePlace) {
  EXPECT_EQ(ParseErrorOf("year >= and lang = 'en'"),
            "filter: expected a value (a number, a text in quotes, true or false), found 'and' at "
            "column 9\n"
            "  year >= and lang = 'en'\n"
            "          ^");
  EXPECT_EQ(ParseErrorOf("a = 1 and"),
            "filter: expected a condition, found the end at column 10\n  a = 1 and\n           ^");
  EXPECT_EQ(ParseErrorOf("a =\n 'ü' b"),
            "filter: expected 'and', 'or' or the end, found the path 'b' at line 2, column 6\n   "
            "'ü' b\n       ^");
}

TEST(FilterParserTest, ErrorsSayWhatWasExpected) {
  EXPECT_THAT(ParseErrorOf(""), HasSubstr("expected a condition, found the end at column 1"));
  EXPECT_THAT(ParseErrorOf("(a"), HasSubstr("expected 'and', 'or' or ')', found the end"));
  EXPECT_THAT(ParseErrorOf("a)"), HasSubstr("expected 'and', 'or' or the end, found ')'"));
  EXPECT_THAT(ParseErrorOf("a in 3"), HasSubstr("expected '(', found the number 3"));
  EXPECT_THAT(ParseErrorOf("a in (1 2)"), HasSubstr("expected ',' or ')', found the number 2"));
  EXPECT_THAT(ParseErrorOf("a in (1,)"), HasSubstr("expected a value"));
  EXPECT_THAT(ParseErrorOf("a not exists"), HasSubstr("expected 'in', found 'exists'"));
  EXPECT_THAT(ParseErrorOf("a = 'x"),
              HasSubstr("expected a closing ' of the text begun, found ''' at column 5"));
  EXPECT_THAT(ParseErrorOf("`x"), HasSubstr("expected a closing ` of the path begun"));
  EXPECT_THAT(ParseErrorOf("a = 12x"),
              HasSubstr("expected the end of the number, found 'x' at column 7"));
  EXPECT_THAT(ParseErrorOf("a = 1e"), HasSubstr("digits of the number's exponent, found the end"));
  EXPECT_THAT(ParseErrorOf("a & b"), HasSubstr("found '&' at column 3"));
  EXPECT_THAT(ParseErrorOf("2020 < a"), HasSubstr("expected a condition, found the number 2020"));
  EXPECT_THAT(ParseErrorOf("a = b"), HasSubstr("found the path 'b'"));
  EXPECT_THAT(ParseErrorOf("``"), HasSubstr("a path is empty"));
  EXPECT_THAT(ParseErrorOf("a = 9223372036854775808"),
              HasSubstr("the integer 9223372036854775808 does not fit into 64 bits"));
  EXPECT_THAT(ParseErrorOf("a = 1e999"), HasSubstr("does not fit into a 64-bit float"));
  EXPECT_THAT(ParseErrorOf("a = '\xff'"), HasSubstr("not UTF-8"));
}

TEST(FilterParserTest, LongLinesAreCutAroundThePlace) {
  const std::string error =
      ParseErrorOf(absl::StrCat("a = '", std::string(500, 'x'), "' ! ", std::string(500, 'y')));
  EXPECT_THAT(error, HasSubstr("at column 508\n  …xxx"));
  EXPECT_LT(error.size(), 400);
}

TEST(FilterParserTest, BoundsDepthAndSize) {
  const auto nested = [](size_t n) { return std::string(n, '(') + "a" + std::string(n, ')'); };
  const auto negated = [](size_t n) {
    std::string text;
    for (size_t i = 0; i < n; ++i) text += "not ";
    return text + "a";
  };
  EXPECT_EQ(Parsed(nested(31)), Leaf(FilterOp::kEq, "a", {true}));
  EXPECT_THAT(ParseErrorOf(nested(32)), HasSubstr("nested more than 32 deep at column 32"));
  EXPECT_TRUE(ParseFilter(negated(31)).ok());
  EXPECT_THAT(ParseErrorOf(negated(32)), HasSubstr("nested more than 32 deep"));
  std::string tower = "a";
  for (int i = 0; i < 16; ++i) tower = "a or b and (" + tower + ")";
  EXPECT_THAT(ParseErrorOf(tower), HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(ParseErrorOf(std::string(200'000, '(')), HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(ParseErrorOf(std::string((1 << 20) + 1, ' ')), HasSubstr("the limit is 1048576"));
  std::string list = "a in (0";
  for (int i = 0; i < 10'000; ++i) list += ",1";
  EXPECT_THAT(ParseErrorOf(list + ")"), HasSubstr("more than 10000 values"));
}

}  // namespace
}  // namespace vouch
