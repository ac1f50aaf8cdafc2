#include "index/payload/payload_columns.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/index/payload/payload_fixture.h"

namespace vouch {
namespace {

using testing::HasSubstr;

class PayloadColumnsTest : public testing::Test {
 protected:
  std::string Rows(const Filter& filter) const { return RowsMeeting(*columns_, filter); }

  CollectionSchema schema_ = OneOfEachSchema();
  std::shared_ptr<const PayloadColumns> columns_ = BuildColumns(
      schema_, {R"({"lang":"de","year":2020,"score":0.5,"draft":false,"at":"2026-01-01"})",
                R"({"lang":["en","fr"],"year":[1999,2021],"draft":true})", R"({})",
                R"({"lang":"","year":9007199254740993,"score":9007199254740992})"});
};

TEST_F(PayloadColumnsTest, ComparesKeywordsByTheirBytes) {
  EXPECT_EQ(Rows(Leaf(FilterOp::kEq, "lang", {"en"})), "1");
  EXPECT_EQ(Rows(Leaf(FilterOp::kEq, "lang", {"es"})), "");
  EXPECT_EQ(Rows(Leaf(FilterOp::kLt, "lang", {"de"})), "3");
  EXPECT_EQ(Rows(Leaf(FilterOp::kLe, "lang", {"de"})), "0 3");
  EXPECT_EQ(Rows(Leaf(FilterOp::kGt, "lang", {"de"})), "1");
  EXPECT_EQ(Rows(Leaf(FilterOp::kGe, "lang", {"de"})), "0 1");
  EXPECT_EQ(Rows(Leaf(FilterOp::kGe, "lang", {"zz"})), "");
  EXPECT_EQ(Rows(Leaf(FilterOp::kIn, "lang", {"fr", "", "xx"})), "1 3");
}

TEST_F(PayloadColumnsTest, RowsWithoutAValueMeetNoComparison) {
  EXPECT_EQ(Rows(Leaf(FilterOp::kNe, "lang", {"de"})), "1 3");
  EXPECT_EQ(Rows(Leaf(FilterOp::kNe, "lang", {"en"})), "0 3");
  EXPECT_EQ(Rows(Node(FilterOp::kNot, {Leaf(FilterOp::kEq, "lang", {"en"})})), "0 2 3");
  EXPECT_EQ(Rows(Leaf(FilterOp::kIn, "lang", {})), "");
  EXPECT_EQ(Rows(Leaf(FilterOp::kExists, "score")), "0 3");
}

TEST_F(PayloadColumnsTest, ComparesNumbersExactly) {
  EXPECT_EQ(Rows(Leaf(FilterOp::kEq, "year", {9007199254740992.0})), "");
  EXPECT_EQ(Rows(Leaf(FilterOp::kGt, "year", {9007199254740992.0})), "3");
  EXPECT_EQ(Rows(Leaf(FilterOp::kEq, "score", {int64_t{9007199254740993}})), "");
  EXPECT_EQ(Rows(Leaf(FilterOp::kLt, "score", {int64_t{9007199254740993}})), "0 3");
  EXPECT_EQ(Rows(Leaf(FilterOp::kIn, "year", {1999.0, 2020.5})), "1");
  EXPECT_EQ(Rows(Leaf(FilterOp::kGe, "year", {2020.5})), "1 3");
}

TEST_F(PayloadColumnsTest, BoolsAndDatetimes) {
  EXPECT_EQ(Rows(Leaf(FilterOp::kEq, "draft", {true})), "1");
  EXPECT_EQ(Rows(Leaf(FilterOp::kNe, "draft", {true})), "0");
  EXPECT_EQ(Rows(Leaf(FilterOp::kIn, "draft", {true, false})), "0 1");
  EXPECT_EQ(Rows(Leaf(FilterOp::kEq, "at", {"2026-01-01T01:00:00+01:00"})), "0");
  EXPECT_EQ(Rows(Leaf(FilterOp::kLt, "at", {"2026-01-01"})), "");
  EXPECT_EQ(Rows(Leaf(FilterOp::kIn, "at", {"2025-01-01", "2026-01-01"})), "0");
}

TEST_F(PayloadColumnsTest, EmptyChains) {
  EXPECT_EQ(Rows(Node(FilterOp::kAnd, {})), "0 1 2 3");
  EXPECT_EQ(Rows(Node(FilterOp::kOr, {})), "");
}

TEST_F(PayloadColumnsTest, AsksForIds) {
  const Filter filter = Node(FilterOp::kNot, {Leaf(FilterOp::kHasId, "", {"seven", "9"})});
  const Bitmap rows = columns_->Evaluate(CompiledFilter::Compile(filter, schema_), [](std::span<const FilterValue> ids) {
    EXPECT_EQ(ids.size(), 2);
    Bitmap found(4);
    found.Set(2);
    return found;
  });
  EXPECT_EQ(rows.Count(), 3);
  EXPECT_FALSE(rows.Test(2));
}

TEST_F(PayloadColumnsTest, SchemasWithoutFieldsHoldRows) {
  const auto columns = BuildColumns(CollectionSchema(), std::vector<std::string>(3, "{}"));
  EXPECT_EQ(RowsMeeting(*columns, Node(FilterOp::kAnd, {}), {}), "0 1 2");
  EXPECT_TRUE(PayloadColumns::Parse({}, columns->Serialize(), 3).ok());
}

TEST_F(PayloadColumnsTest, EveryPrefixAndEveryFlippedBitIsSafe) {
  const std::string bytes = columns_->Serialize();
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(PayloadColumns::Parse(schema_, bytes.substr(0, size), 4).status().code(),
              absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(PayloadColumns::Parse(schema_, bytes + "x", 4).status().code(),
            absl::StatusCode::kDataLoss);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto parsed = PayloadColumns::Parse(schema_, damaged, 4);
    if (!parsed.ok()) continue;
    ASSERT_EQ((*parsed)->Serialize(), damaged);
    for (const PayloadField& field : schema_.payload) {
      RowsMeeting(**parsed, Leaf(FilterOp::kExists, field.path));
    }
    RowsMeeting(**parsed, Leaf(FilterOp::kGe, "lang", {"a"}));
    RowsMeeting(**parsed, Leaf(FilterOp::kIn, "lang", {"de"}));
  }
}

TEST_F(PayloadColumnsTest, NamesWhatDoesNotFit) {
  const std::string bytes = columns_->Serialize();
  EXPECT_THAT(PayloadColumns::Parse(schema_, bytes, 5).status().message(),
              HasSubstr("hold 4 rows, wanted 5"));
  EXPECT_THAT(PayloadColumns::Parse({}, bytes, 4).status().message(),
              HasSubstr("hold 5 fields, the schema has 0"));
  CollectionSchema other = schema_;
  other.payload[1].type = PayloadType::kFloat;
  EXPECT_EQ(PayloadColumns::Parse(other, bytes, 4).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(PayloadColumns::Parse(other, bytes, 4).status().message(), HasSubstr("field 'year'"));
}

TEST_F(PayloadColumnsTest, GoldenBytes) {
  CollectionSchema schema;
  schema.payload = {{"k", PayloadType::kKeyword}, {"b", PayloadType::kBool}};
  const std::string bytes =
      BuildColumns(schema,
                   std::vector<std::string>{R"({"k":["y","x"],"b":true})", R"({"b":false})"})
          ->Serialize();
  const unsigned char golden[] = {
      'V', 'P', 'A', 'Y', 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0,  // magic, format, rows, fields
      1,                                                       // keyword
      2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,                      // values, ends
      2, 0, 0, 0, 2, 0, 0, 0,                                  // the ends
      2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,          // keywords, their bytes
      1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 'x', 'y',  // ends of the keywords, bytes
      1, 0,                                                      // codes of one byte
      4,                                                         // bool
      2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                        // values, no ends
      2, 0, 0, 0, 0, 0, 0, 0,                                    // distinct values
      0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,            // 0, 1
      1, 0};                                                     // codes
  EXPECT_EQ(bytes, std::string(reinterpret_cast<const char*>(golden), sizeof(golden)));
}

}  // namespace
}  // namespace vouch
