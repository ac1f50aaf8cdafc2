// Columns of tokens in memory and in files, whole and damaged.
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/dense/mapped_vectors.h"
#include "index/multi/token_reader.h"
#include "storage/filesystem.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

MultiVectorField Field(VectorType type) {
  return {.name = "m", .dim = 2, .metric = Metric::kInnerProduct, .type = type};
}

std::vector<MultiVector> FourRows() {
  return {{.dim = 2, .values = {1, 2, 3, 4}}, {}, {.dim = 2, .values = {-5, 6}}, {.dim = 2, .values = {7, 8, 9, 0, 1, 1}}};
}

TokenColumn Build(VectorType type, const std::vector<MultiVector>& rows) {
  std::vector<const MultiVector*> pointers;
  for (const MultiVector& row : rows) pointers.push_back(&row);
  return *TokenColumn::Build(Field(type), pointers);
}

std::vector<float> Values(TokenReader& reader, uint32_t row) {
  const std::span<const float> values = reader.Read(row);
  return {values.begin(), values.end()};
}

// The rows that a damaged file is mended from.
class Truth final : public VectorTruth {
 public:
  std::vector<MultiVector> rows = FourRows();
  bool lost = false;
  int reports = 0;
  std::vector<std::pair<uint32_t, uint32_t>> reads;

  void ReportDamage() override { ++reports; }
  absl::Status Read(uint32_t, uint32_t, uint32_t, const Visit&) override {
    return absl::InternalError("not asked for");
  }
  absl::Status ReadTokens(uint32_t field, uint32_t begin, uint32_t end, const Visit& visit) override {
    EXPECT_EQ(field, 5u);
    if (lost) return absl::DataLossError("the store lost its rows");
    reads.emplace_back(begin, end);
    for (uint32_t row = begin; row < end; ++row) visit(row, rows[row].values);
    return absl::OkStatus();
  }
};

// The same column in a file, which has ten bytes before it.
class MappedTokens {
 public:
  explicit MappedTokens(const TokenColumn& column)
      : starts_(column.starts().begin(), column.starts().end()) {
    for (uint32_t row = 0; row < column.rows(); ++row) checksums_.push_back(VectorChecksum(column.view(row)));
    std::ofstream(Path(), std::ios::binary) << std::string(10, 'x') << column.view();
    auto file = Filesystem::System().MapFile(Path(), 0, 10 + column.bytes());
    EXPECT_TRUE(file.ok()) << file.status();
    const TokenColumn::Place place = {.file = *file, .offset = 10, .field = 5, .truth = truth};
    mapped = TokenColumn(column, starts_, checksums_, place, nullptr);
  }
  void Flip(size_t at) {
    std::fstream file(Path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(10 + at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(10 + at));
    file.put(static_cast<char>(byte ^ 1));
  }
  std::shared_ptr<Truth> truth = std::make_shared<Truth>();
  TokenColumn mapped;

 private:
  std::string Path() const { return folder_.File("tokens"); }
  TempDir folder_;
  std::vector<uint64_t> starts_;
  std::vector<uint64_t> checksums_;
};

TEST(TokenColumn, KeepsEachRowsTokensInEachType) {
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kI8}) {
    const std::vector<MultiVector> rows = FourRows();
    const TokenColumn column = Build(type, rows);
    EXPECT_THAT(column.starts(), ElementsAre(0, 2, 2, 3, 6));
    EXPECT_EQ(column.rows(), 4u);
    EXPECT_EQ(column.bytes(), 6 * VectorBytes(type, 2));
    TokenReader reader(column);
    for (uint32_t row = 0; row < 4; ++row) {
      EXPECT_EQ(Values(reader, row), rows[row].values);
      EXPECT_TRUE(column.Holds(row, rows[row]));
      EXPECT_FALSE(column.Holds(row, {.dim = 2, .values = {1, 2, 3, 5}}));
    }
    const TokenColumn copy = column;
    const TokenColumn* const parts[] = {&column, &copy};
    const TokenColumn merged = *TokenColumn::Merge(Field(type), parts);
    EXPECT_THAT(merged.starts(), ElementsAre(0, 2, 2, 3, 6, 8, 8, 9, 12));
    TokenReader merged_reader(merged);
    EXPECT_EQ(Values(merged_reader, 7), rows[3].values);
  }
}

TEST(TokenColumn, NoRowsAndNoTokens) {
  EXPECT_EQ(Build(VectorType::kF32, {}).rows(), 0u);
  const TokenColumn empty = Build(VectorType::kF32, {{}, {}});
  EXPECT_EQ(empty.tokens(), 0u);
  TokenReader reader(empty);
  EXPECT_THAT(Values(reader, 1), IsEmpty());
  EXPECT_EQ(TokenColumn().rows(), 0u);
  const MultiVector wide = {.dim = 3, .values = {1, 2, 3}};
  const MultiVector* const row = &wide;
  EXPECT_THAT(std::string(TokenColumn::Build(Field(VectorType::kF32), std::span(&row, 1)).status().message()),
              HasSubstr("has dimension 2; token vectors have 3"));
}

TEST(TokenColumn, ADamagedRowIsReadFromTheStore) {
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kI8}) {
    const std::vector<MultiVector> rows = FourRows();
    MappedTokens file(Build(type, rows));
    EXPECT_TRUE(file.mapped.view().empty());
    TokenReader before(file.mapped);
    for (uint32_t row = 0; row < 4; ++row) EXPECT_EQ(Values(before, row), rows[row].values);
    EXPECT_EQ(file.truth->reports, 0);
    file.Flip(2 * VectorBytes(type, 2));  // of row 2
    TokenReader reader(file.mapped);
    for (uint32_t row = 0; row < 4; ++row) EXPECT_EQ(Values(reader, row), rows[row].values);
    EXPECT_TRUE(reader.status().ok());
    EXPECT_EQ(file.truth->reports, 1);
    EXPECT_THAT(file.truth->reads, ElementsAre(std::pair(2u, 3u)));
    EXPECT_TRUE(file.mapped.Holds(2, rows[2])) << "by the checksum, which is in memory";
    const TokenColumn* const part = &file.mapped;
    const TokenColumn copy = *TokenColumn::Merge(Field(type), std::span(&part, 1));
    EXPECT_EQ(copy.view(), Build(type, rows).view());
  }
}

TEST(TokenColumn, DamagedRowsInOrderAreReadInGrowingBlocks) {
  MappedTokens file(Build(VectorType::kF32, FourRows()));
  for (const size_t at : {0, 17, 25}) file.Flip(at);
  TokenReader reader(file.mapped);
  for (uint32_t row = 0; row < 4; ++row) EXPECT_EQ(Values(reader, row), FourRows()[row].values);
  EXPECT_THAT(file.truth->reads, ElementsAre(std::pair(0u, 1u), std::pair(2u, 3u), std::pair(3u, 4u)));
}

TEST(TokenColumn, WhatNeitherFileNorStoreHasIsAnError) {
  MappedTokens file(Build(VectorType::kF32, FourRows()));
  file.Flip(0);
  file.truth->rows[0].values.resize(2);
  TokenReader reader(file.mapped);
  EXPECT_THAT(Values(reader, 0), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(reader.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(reader.status().message()), HasSubstr("no 2 token vectors of 2 values for row 0"));
  file.truth->lost = true;
  TokenReader lost(file.mapped);
  EXPECT_THAT(Values(lost, 0), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(std::string(lost.status().message()), HasSubstr("the store lost its rows"));
  const TokenColumn* const part = &file.mapped;
  EXPECT_FALSE(TokenColumn::Merge(Field(VectorType::kF32), std::span(&part, 1)).ok());
}

}  // namespace
}  // namespace vouch
