// Random payloads under random filters, in random segments, against an evaluator that looks at one
// row at a time.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "index/payload/value_index.h"
#include "tests/index/payload/payload_generator.h"

namespace vouch {
namespace {

TEST(PayloadModelTest, ColumnsAgreeWithTheNaiveEvaluatorInAnyLayout) {
  constexpr uint64_t kSeed = 20261124;
  std::cout << "seed " << kSeed << "\n";
  const CollectionSchema schema = EveryTypeSchema();
  Generator generator(kSeed, schema);
  for (int round = 0; round < 300; ++round) {
    generator.SetSingleValued(generator.Below(3) == 0);
    std::vector<TypedPayload> rows(generator.Below(150));
    for (TypedPayload& row : rows) row = generator.Row();

    std::vector<std::shared_ptr<const PayloadColumns>> parts;
    std::vector<const PayloadColumns*> pointers;
    for (size_t begin = 0; begin < rows.size();) {
      const size_t end = std::min<size_t>(rows.size(), begin + generator.Below(60));
      parts.push_back(BuildColumns(schema, std::vector(rows.begin() + begin, rows.begin() + end)));
      pointers.push_back(parts.back().get());
      begin = end;
    }
    const auto merged = PayloadColumns::Merge(schema, pointers);
    const std::string bytes = BuildColumns(schema, rows)->Serialize();
    ASSERT_EQ(merged->Serialize(), bytes) << "round " << round;
    const auto parsed = PayloadColumns::Parse(schema, bytes, static_cast<uint32_t>(rows.size()));
    ASSERT_TRUE(parsed.ok()) << parsed.status();

    for (int i = 0; i < 20; ++i) {
      const Filter filter = generator.Tree(3);
      ASSERT_TRUE(ValidateFilter(filter, schema).ok()) << ValidateFilter(filter, schema);
      std::string expected;
      for (size_t row = 0; row < rows.size(); ++row) {
        if (NaiveMeets(schema, rows[row], filter))
          absl::StrAppend(&expected, expected.empty() ? "" : " ", row);
      }
      ASSERT_EQ(RowsMeeting(*merged, filter, schema), expected) << "round " << round << " filter " << i;
      ASSERT_EQ(RowsMeeting(**parsed, filter, schema), expected) << "round " << round << " filter " << i;
    }
  }
}

// Segments large enough for indexes: few values a field (bitmaps), many (runs of rows), one and several values a row.
TEST(PayloadModelTest, IndexedColumnsAgreeWithTheNaiveEvaluator) {
  constexpr uint64_t kSeed = 20261125;
  std::cout << "seed " << kSeed << "\n";
  const CollectionSchema schema = EveryTypeSchema();
  Generator generator(kSeed, schema);
  for (int round = 0; round < 24; ++round) {
    generator.SetSingleValued(round % 2 == 0);
    generator.SetSpread(std::vector<uint64_t>{0, 3, 60, 5000}[static_cast<size_t>(round / 2) % 4]);
    std::vector<TypedPayload> rows(ValueIndex::kMinRows + generator.Below(3000));
    for (TypedPayload& row : rows) row = generator.Row();
    const auto columns = BuildColumns(schema, rows);
    const auto parsed =
        PayloadColumns::Parse(schema, columns->Serialize(), static_cast<uint32_t>(rows.size()));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ((*parsed)->Serialize(), columns->Serialize());
    for (int i = 0; i < 40; ++i) {
      const Filter filter = generator.Tree(i % 4);
      const CompiledFilter compiled = CompiledFilter::Compile(filter, schema);
      Bitmap expected(rows.size());
      for (size_t row = 0; row < rows.size(); ++row) {
        if (NaiveMeets(schema, rows[row], filter)) expected.Set(row);
      }
      const Bitmap found = (*parsed)->Evaluate(compiled, {});
      ASSERT_EQ(found, expected) << "round " << round << " filter " << i;
      const RowBounds bounds = (*parsed)->Estimate(compiled);
      ASSERT_LE(bounds.lower, expected.Count()) << "round " << round << " filter " << i;
      ASSERT_GE(bounds.upper, expected.Count()) << "round " << round << " filter " << i;
      // A text has several words.
      const bool one_leaf = compiled.kind == CompiledFilter::Kind::kField &&
                            schema.payload[static_cast<size_t>(compiled.field)].type != PayloadType::kText;
      if (one_leaf && round % 2 == 0) {
        ASSERT_EQ(bounds.lower, bounds.upper);
      }
    }
  }
}

}  // namespace
}  // namespace vouch
