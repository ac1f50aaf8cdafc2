#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/index/payload/payload_fixture.h"

namespace vouch {
namespace {

using testing::HasSubstr;

std::string ErrorOf(const Filter& filter) {
  const absl::Status status = ValidateFilter(filter, OneOfEachSchema());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

Filter Nested(size_t depth) {
  Filter filter = Leaf(FilterOp::kExists, "year");
  for (size_t i = 1; i < depth; ++i) filter = Node(FilterOp::kNot, {filter});
  return filter;
}

TEST(ValidateFilterTest, TakesWhatFits) {
  EXPECT_TRUE(ValidateFilter(Node(FilterOp::kAnd, {}), OneOfEachSchema()).ok());
  for (const Filter& filter :
       {Leaf(FilterOp::kGe, "year", {int64_t{2020}}), Leaf(FilterOp::kLt, "year", {2020.5}),
        Leaf(FilterOp::kEq, "score", {int64_t{1}}), Leaf(FilterOp::kIn, "lang", {"de", "en"}),
        Leaf(FilterOp::kIn, "lang"), Leaf(FilterOp::kLe, "lang", {"m"}),
        Leaf(FilterOp::kNe, "draft", {false}), Leaf(FilterOp::kGt, "at", {"2026-01-01"}),
        Leaf(FilterOp::kExists, "at"), Leaf(FilterOp::kHasId, "", {"7"})}) {
    EXPECT_TRUE(ValidateFilter(filter, OneOfEachSchema()).ok())
        << ValidateFilter(filter, OneOfEachSchema());
  }
}

TEST(ValidateFilterTest, NamesUnknownFields) {
  EXPECT_EQ(ErrorOf(Leaf(FilterOp::kExists, "yaer")),
            "unknown field 'yaer'; filterable fields: lang, year, score, draft, at");
  EXPECT_THAT(std::string(ValidateFilter(Leaf(FilterOp::kExists, "x"), {}).message()),
              HasSubstr("the collection has no filterable fields"));
}

TEST(ValidateFilterTest, RefusesLiteralsThatDoNotFit) {
  EXPECT_EQ(ErrorOf(Leaf(FilterOp::kEq, "year", {"2020"})),
            "field 'year' is of type integer; the text '2020' does not fit; numbers stand without "
            "quotes");
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kEq, "lang", {int64_t{3}})),
              HasSubstr("type keyword; the number 3 does not fit; texts stand in quotes"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kIn, "score", {1.0, true})),
              HasSubstr("type float; true does not fit"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kEq, "draft", {int64_t{1}})),
              HasSubstr("type bool; the number 1 does not fit"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kLt, "draft", {true})), HasSubstr("which has no order"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kEq, "at", {"soon"})),
              HasSubstr("field 'at': 'soon' is not an RFC 3339"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kEq, "score", {std::numeric_limits<double>::infinity()})),
              HasSubstr("not a finite number"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kHasId, "", {int64_t{7}})),
              HasSubstr("a point id in a filter is text"));
}

TEST(ValidateFilterTest, RefusesMisshapenNodes) {
  EXPECT_THAT(ErrorOf(Node(FilterOp::kNot, {})), HasSubstr("0 children"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kEq, "year")), HasSubstr("0 values"));
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kEq, "year", {int64_t{1}, int64_t{2}})),
              HasSubstr("2 values"));
  EXPECT_THAT(
      ErrorOf({.op = FilterOp::kExists, .path = "year", .children = {Node(FilterOp::kAnd, {})}}),
      HasSubstr("1 children"));
  EXPECT_FALSE(ValidateFilter({.op = static_cast<FilterOp>(200)}, OneOfEachSchema()).ok());
}

TEST(ValidateFilterTest, BoundsDepthAndSize) {
  EXPECT_TRUE(ValidateFilter(Nested(32), OneOfEachSchema()).ok());
  EXPECT_THAT(ErrorOf(Nested(33)), HasSubstr("nested more than 32 deep"));
  EXPECT_THAT(ErrorOf(Node(FilterOp::kOr, {Node(FilterOp::kAnd, {Nested(31)})})),
              HasSubstr("32 deep"));
  std::vector<FilterValue> values(10'000, int64_t{1});
  EXPECT_TRUE(ValidateFilter(Leaf(FilterOp::kIn, "year", values), OneOfEachSchema()).ok());
  values.push_back(int64_t{2});
  EXPECT_THAT(ErrorOf(Leaf(FilterOp::kIn, "year", values)), HasSubstr("more than 10000 values"));
  EXPECT_THAT(
      ErrorOf(Node(FilterOp::kOr, std::vector<Filter>(10'000, Leaf(FilterOp::kExists, "year")))),
      HasSubstr("more than 10000 conditions"));
}

}  // namespace
}  // namespace vouch
