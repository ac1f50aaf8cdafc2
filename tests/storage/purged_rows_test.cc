#include "storage/purged_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "absl/strings/escaping.h"
#include "storage/duration_text.h"

namespace vouch {
namespace {

constexpr CollectionId kCollection{3};

std::vector<std::pair<uint64_t, uint64_t>> RangesOf(const PurgedRows& rows) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  rows.ForEachRange([&](RowRange range) { ranges.emplace_back(range.begin.value, range.end.value); });
  return ranges;
}

TEST(PurgedRows, RangesAcrossChunksJoin) {
  PurgedRows rows;
  rows.Add({RowId(65'530), RowId(65'540)});
  rows.Add({RowId(1), RowId(2)});
  rows.Add({RowId(65'540), RowId(65'541)});
  rows.Add({RowId(65'532), RowId(65'535)});
  EXPECT_EQ(rows.count(), 12u);
  EXPECT_THAT(RangesOf(rows), testing::ElementsAre(std::pair(1, 2), std::pair(65'530, 65'541)));
  EXPECT_EQ(rows.Count({RowId(2), RowId(65'537)}), 7u);
  EXPECT_TRUE(rows.Contains(RowId(65'536)));
  EXPECT_FALSE(rows.Contains(RowId(0)));
}

TEST(PurgedRows, IsTheSetOfItsRows) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  PurgedRows rows;
  std::set<uint64_t> model;
  for (int i = 0; i < 300; ++i) {
    const uint64_t begin = random() % 200'000;
    const uint64_t end = begin + (random() % 8 == 0 ? random() % 70'000 : random() % 9);
    rows.Add({RowId(begin), RowId(end)});
    for (uint64_t row = begin; row < end; ++row) model.insert(row);
  }
  EXPECT_EQ(rows.count(), model.size());
  std::set<uint64_t> found;
  rows.ForEachRange([&](RowRange range) {
    for (uint64_t row = range.begin.value; row < range.end.value; ++row) found.insert(row);
  });
  EXPECT_EQ(found, model);
  // Chunk by chunk through bytes.
  PurgedRows read;
  for (uint64_t number = 0; number < 5; ++number) {
    ASSERT_TRUE(read.AddChunk(kCollection, number, rows.EncodeChunk(kCollection, number)).ok());
  }
  EXPECT_EQ(RangesOf(read), RangesOf(rows));
}

TEST(PurgedRows, GoldenBytes) {
  PurgedRows rows;
  rows.Add({RowId(2), RowId(5)});
  rows.Add({RowId(300), RowId(301)});
  EXPECT_EQ(absl::BytesToHexString(rows.EncodeChunk(kCollection, 0)).substr(0, 12), "010203a70201");
  // Every second row: bits are shorter than runs.
  PurgedRows holes;
  for (uint64_t row = 0; row < PurgedRows::kChunkRows; row += 2) holes.Add({RowId(row), RowId(row + 1)});
  const std::string bits = holes.EncodeChunk(kCollection, 0);
  EXPECT_EQ(bits.size(), 1 + 8192 + 8u);
  EXPECT_EQ(absl::BytesToHexString(bits.substr(0, 9)), "025555555555555555");
}

TEST(PurgedRows, RefusesOtherBytes) {
  PurgedRows rows;
  rows.Add({RowId(2), RowId(5)});
  const std::string good = rows.EncodeChunk(kCollection, 0);
  PurgedRows read;
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(read.AddChunk(kCollection, 0, good.substr(0, size)))) << size;
  }
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_TRUE(absl::IsDataLoss(read.AddChunk(kCollection, 0, bad))) << bit;
  }
  EXPECT_TRUE(absl::IsDataLoss(read.AddChunk(kCollection, 1, good)));
  EXPECT_TRUE(absl::IsDataLoss(read.AddChunk(CollectionId(4), 0, good)));
  EXPECT_EQ(read.count(), 0u);
}

TEST(DurationText, ReadsAndWritesSpans) {
  const std::pair<std::string, int64_t> good[] = {{"1us", 1},          {"250ms", 250'000},     {"90s", 90'000'000},
                                                  {"15m", 900'000'000}, {"12h", 43'200'000'000}, {"30d", 2'592'000'000'000}};
  for (const auto& [text, us] : good) {
    const auto parsed = ParseDurationText(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, us);
    EXPECT_EQ(*ParseDurationText(FormatDurationText(us)), us);
  }
  EXPECT_EQ(FormatDurationText(86'400'000'000), "1d");
  EXPECT_EQ(FormatDurationText(5'400'000'000), "90m");
  for (const std::string bad : {"", "d", "0d", "-1d", "1.5h", "3 d", "3w", "30", "9223372036854775807d", "36501d"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseDurationText(bad).status())) << bad;
  }
}

}  // namespace
}  // namespace vouch
