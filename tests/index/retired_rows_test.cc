#include "index/retired_rows.h"

#include <map>
#include <memory>
#include <random>

#include "gtest/gtest.h"
#include "index/visible_rows.h"

namespace vouch {
namespace {

TEST(RetiredRows, EqualsAMap) {
  constexpr uint64_t kRows = 3 * RetiredRows::kChunkRows;
  std::mt19937_64 random(4);
  RetiredRows retired;
  std::map<uint64_t, uint64_t> model;
  for (uint64_t version = 1; version <= 2000; ++version) {
    // The middle chunk has none at all.
    const uint64_t row = (random() % 2 == 0 ? 0 : 2) * RetiredRows::kChunkRows + random() % RetiredRows::kChunkRows;
    retired.Retire(RowId(row), Version(version));
    model.try_emplace(row, version);  // the first retirement stays
  }
  for (int round = 0; round < 40; ++round) {
    const uint64_t begin = random() % kRows;
    const uint64_t end = begin + random() % (kRows - begin);
    const uint64_t at = random() % 2500;
    std::unique_ptr<Bitmap> visible;
    retired.ClearRetired({RowId(begin), RowId(end)}, Version(at), visible);
    Bitmap want(end - begin, true);
    for (auto found = model.lower_bound(begin); found != model.end() && found->first < end; ++found) {
      if (found->second <= at) want.Clear(found->first - begin);
    }
    EXPECT_EQ(visible == nullptr, want.Count() == want.size());
    if (visible != nullptr) {
      EXPECT_EQ(*visible, want);
    }
  }
  for (const auto& [row, version] : model) EXPECT_EQ(retired.RetiredAt(RowId(row)), Version(version));
  EXPECT_EQ(retired.RetiredAt(RowId(RetiredRows::kChunkRows + 5)), kNeverRetired);
}

TEST(RetiredRows, RowsOutOfBoundsAreIgnored) {
  RetiredRows retired;
  retired.Retire(RowId(RetiredRows::kMaxRows), Version(1));
  retired.Retire(RowId(RetiredRows::kMaxRows - 1), Version(1));
  EXPECT_EQ(retired.RetiredAt(RowId(RetiredRows::kMaxRows)), kNeverRetired);
  EXPECT_EQ(retired.RetiredAt(RowId(RetiredRows::kMaxRows - 1)), Version(1));
}

// As when a store is opened: retirements come in the order of rows, not of versions.
TEST(RetiredRows, VersionsInAnyOrder) {
  RetiredRows retired;
  retired.Retire(RowId(3), Version(9));
  retired.Retire(RowId(5), Version(2));
  std::unique_ptr<Bitmap> visible;
  retired.ClearRetired({RowId(0), RowId(64)}, Version(5), visible);
  ASSERT_NE(visible, nullptr);
  EXPECT_TRUE(visible->Test(3));
  EXPECT_FALSE(visible->Test(5));
  EXPECT_EQ(retired.NewestIn({RowId(0), RowId(64)}), Version(9));
}

TEST(VisibleRowsCache, EqualsWhatIsMadeAnewAtAnyVersion) {
  constexpr uint64_t kRows = 2 * RetiredRows::kChunkRows;
  const RowRange range{RowId(1000), RowId(kRows - 77)};
  std::mt19937_64 random(9);
  RetiredRows retired;
  VisibleRowsCache cache;
  EXPECT_EQ(cache.At(retired, range, Version(1)).rows, nullptr);
  for (uint64_t version = 1; version <= 300; ++version) {
    // Some commits retire nothing, some only rows that lie elsewhere.
    for (uint64_t i = random() % 3; i > 0; --i) retired.Retire(RowId(random() % (kRows + 5000)), Version(version));
    for (int read = 0; read < 4; ++read) {
      const Version at(read < 2 ? version : random() % (version + 1));
      const VisibleRows visible = cache.At(retired, range, at);
      std::unique_ptr<Bitmap> want;
      retired.ClearRetired(range, at, want);
      ASSERT_EQ(visible.count, want == nullptr ? range.size() : want->Count());
      ASSERT_EQ(visible.rows == nullptr, want == nullptr);
      if (want != nullptr) {
        ASSERT_EQ(*visible.rows, *want);
      }
    }
  }
  // Nothing was retired since: the bitmap is the same one.
  EXPECT_EQ(cache.At(retired, range, Version(400)).rows, cache.At(retired, range, Version(500)).rows);
}

}  // namespace
}  // namespace vouch
