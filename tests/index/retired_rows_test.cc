#include "index/retired_rows.h"

#include <map>
#include <memory>
#include <random>

#include "gtest/gtest.h"

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

}  // namespace
}  // namespace vouch
