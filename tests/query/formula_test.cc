#include "query/formula.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vouch {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

CollectionSchema FormulaSchema() {
  CollectionSchema schema;
  schema.payload = {{.path = "year", .type = PayloadType::kInteger},
                    {.path = "lang", .type = PayloadType::kKeyword},
                    {.path = "meta.likes", .type = PayloadType::kFloat},
                    {.path = "published", .type = PayloadType::kDatetime},
                    {.path = "score", .type = PayloadType::kFloat}};
  return schema;
}

// `values` in the order in which the formula first names its fields.
double Value(std::string_view text, double score = 0, std::vector<double> values = {}) {
  const absl::StatusOr<Formula> formula = Formula::Parse(text, FormulaSchema());
  EXPECT_TRUE(formula.ok()) << formula.status();
  if (!formula.ok()) return -1e9;
  EXPECT_EQ(formula->fields().size(), values.size()) << text;
  return formula->Evaluate(score, values);
}
std::string Error(std::string_view text) {
  return std::string(Formula::Parse(text, FormulaSchema()).status().message());
}

TEST(Formula, Arithmetic) {
  EXPECT_EQ(Value("1 + 2 * 3 - 4 / 2"), 5);
  EXPECT_EQ(Value("(1 + 2) * -(3 - 4)"), 3);
  EXPECT_EQ(Value("10 - 3 - 2"), 5) << "from the left";
  EXPECT_EQ(Value("16 / 4 / 2"), 2);
  EXPECT_EQ(Value("--2"), 2);
  EXPECT_EQ(Value(".5 + 1e1"), 10.5);
  EXPECT_EQ(Value("score * 2", 3), 6);
  EXPECT_EQ(Value("abs(-3) + sqrt(16) + pow(2, 10) + min(3, 1, 2) + max(1, 5)"),
            3 + 4 + 1024 + 1 + 5);
  EXPECT_EQ(Value("exp(0) + log(1) + log1p(0) + log10(1000)"), 4);
  EXPECT_EQ(Value("days(2) + hours(1)"), 2 * 86'400 + 3'600);
}

TEST(Formula, FieldsInTheOrderOfTheirFirstUse) {
  const absl::StatusOr<Formula> formula =
      Formula::Parse("meta.likes + year * `meta.likes` + `score` + score", FormulaSchema());
  ASSERT_TRUE(formula.ok()) << formula.status();
  EXPECT_THAT(std::vector<int>(formula->fields().begin(), formula->fields().end()),
              ElementsAre(2, 0, 4));
  EXPECT_EQ(formula->Evaluate(1000, std::vector<double>{2, 10, 300}), 2 + 20 + 300 + 1000);
}

TEST(Formula, NoValueSpreadsUntilADefault) {
  EXPECT_TRUE(std::isnan(Value("score + year", 1, {kNone})));
  EXPECT_EQ(Value("score + default(year, 5)", 1, {kNone}), 6);
  EXPECT_EQ(Value("default(year * 2, 5)", 1, {kNone}), 5);
  for (const char* text :
       {"1 / 0", "0 / 0", "log(0)", "log(-1)", "sqrt(-1)", "exp(1000)", "1e308 * 10", "-(1 / 0)",
        "min(1, 1 / 0)", "max(1 / 0, 1)", "pow(1, 1 / 0)", "pow(1 / 0, 0)", "pow(0, -1)",
        "exp_decay(1, 0, 0)", "exp_decay(1, 0, -1)", "gauss_decay(1, 0, 1, -1)",
        "linear_decay(1, 0, 1, 0, 1)", "exp_decay(1, 0, 1, 0, 0)", "linear_decay(1 / 0, 0, 1)"}) {
    EXPECT_TRUE(std::isnan(Value(text))) << text;
    EXPECT_EQ(Value(std::string("default(") + text + ", 7)"), 7) << text;
  }
}

TEST(Formula, DecaysAreOneAtTheOriginAndDecayAtTheScale) {
  for (const std::string name : {"exp_decay", "gauss_decay", "linear_decay"}) {
    EXPECT_EQ(Value(name + "(3, 3, 10)"), 1) << name;
    EXPECT_DOUBLE_EQ(Value(name + "(13, 3, 10)"), 0.5) << name;
    EXPECT_DOUBLE_EQ(Value(name + "(-7, 3, 10)"), 0.5) << name;
    EXPECT_EQ(Value(name + "(8, 3, 10, 5)"), 1) << name << " within the offset";
    EXPECT_DOUBLE_EQ(Value(name + "(18, 3, 10, 5, 0.2)"), 0.2) << name;
  }
  EXPECT_DOUBLE_EQ(Value("exp_decay(20, 0, 10)"), 0.25);
  EXPECT_DOUBLE_EQ(Value("gauss_decay(20, 0, 10)"), 0.0625);
  EXPECT_EQ(Value("linear_decay(20, 0, 10)"), 0);
}

TEST(Formula, TimesAreSeconds) {
  EXPECT_EQ(Value("datetime('1970-01-02') + 0"), 86'400);
  EXPECT_DOUBLE_EQ(Value("exp_decay(published, datetime('2026-11-23T00:00:00Z'), days(30))", 0,
                         {1'795'392'000.0 - 30 * 86'400}),
                   0.5);
  EXPECT_THAT(Error("datetime('soon')"), HasSubstr("column 10"));
  EXPECT_THAT(Error("datetime(5)"), HasSubstr("expected a time in quotes"));
}

TEST(Formula, GeoDistanceIsTheGreatCircle) {
  EXPECT_NEAR(Value("geo_distance(52.5200, 13.4050, 48.8566, 2.3522)"), 877'500, 500)
      << "Berlin to Paris";
  EXPECT_EQ(Value("geo_distance(10, 20, 10, 20)"), 0);
  EXPECT_NEAR(Value("geo_distance(0, 0, 0, 180)"), 20'015'115, 1);
}

TEST(Formula, MistakesAreNamedWithTheirColumn) {
  EXPECT_THAT(Error("score +"),
              AllOf(HasSubstr("found the end at column 8"), HasSubstr("\n  score +\n         ^")));
  EXPECT_THAT(
      Error(""),
      HasSubstr("expected a number, score, a field, a function or (, found the end at column 1"));
  EXPECT_THAT(Error("1 2"), HasSubstr("expected an operator or the end, found '2' at column 3"));
  EXPECT_THAT(Error("(1"), HasSubstr("expected an operator or ), found the end"));
  EXPECT_THAT(Error("yaer * 2"),
              HasSubstr("unknown field 'yaer'; there are score, year, meta.likes, published"));
  EXPECT_THAT(Error("lang"), HasSubstr("field 'lang' is a keyword"));
  EXPECT_THAT(Error("sine(1)"), HasSubstr("unknown function 'sine'; there are abs, sqrt"));
  EXPECT_THAT(Error("pow(1)"), HasSubstr("pow takes 2 arguments, has 1 at column 1"));
  EXPECT_THAT(Error("exp_decay(1)"), HasSubstr("exp_decay takes 3 to 5 arguments, has 1"));
  EXPECT_THAT(Error("min(1 2)"), HasSubstr("expected an operator, a comma or )"));
  EXPECT_THAT(Error("min(,)"), HasSubstr("expected a number"));
  EXPECT_THAT(Error("1 # 2"), HasSubstr("found '#'"));
  EXPECT_THAT(Error("1e999"), HasSubstr("found '1e999'"));
  EXPECT_THAT(Error("'text"), HasSubstr("expected a closing '"));
  EXPECT_THAT(Error("'text'"), HasSubstr("found the text 'text'"));
}

TEST(Formula, LengthDepthAndStepsAreBounded) {
  EXPECT_THAT(Error(std::string(Formula::kMaxBytes + 1, ' ')),
              HasSubstr("4097 bytes; the limit is 4096"));
  EXPECT_THAT(Error(std::string(33, '(') + "1" + std::string(33, ')')),
              HasSubstr("nested over 32 deep"));
  EXPECT_THAT(Error(std::string(2000, '-') + "1"), HasSubstr("nested over 32 deep"));
  EXPECT_EQ(Value(std::string(31, '(') + "1" + std::string(31, ')')), 1);
  std::string sum = "1";
  for (int i = 0; i < 200; ++i) sum += "+1";
  EXPECT_THAT(Error(sum), HasSubstr("over 256 numbers"));
}

}  // namespace
}  // namespace vouch
