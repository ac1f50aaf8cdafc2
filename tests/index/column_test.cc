#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "index/access_column.h"
#include "index/aligned_buffer.h"
#include "index/id_column.h"

namespace vouch {
namespace {

TEST(IdColumn, BrokenBytesAreDataLoss) {
  const PointId number(7);
  const PointId text = *PointId::FromString("guide.md#3");
  const PointId* ids[] = {&number, &text};
  const auto column = IdColumn::Build(ids);
  const auto parse = [&](std::string bytes, uint32_t rows) {
    auto buffer = std::make_shared<AlignedBuffer>(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
    return IdColumn::Parse(buffer->view(), rows, buffer);
  };
  const std::string bytes(column->bytes());
  ASSERT_TRUE(parse(bytes, 2).ok());
  EXPECT_EQ((*parse(bytes, 2))->IdOf(1), text);
  const auto is_loss = [&](const std::string& changed, uint32_t rows) {
    return parse(changed, rows).status().code() == absl::StatusCode::kDataLoss;
  };
  EXPECT_TRUE(is_loss(bytes, 1));
  EXPECT_TRUE(is_loss(bytes, 3));
  EXPECT_TRUE(is_loss("", 2));
  EXPECT_TRUE(is_loss(bytes + "x", 2));
  std::string changed = bytes;
  changed[8] = 100;  // the second offset lies behind the end
  EXPECT_TRUE(is_loss(changed, 2));
  changed = bytes;
  changed[24] = 9;  // the first id's kind
  EXPECT_TRUE(is_loss(changed, 2));
}

TEST(AccessColumn, ListsAreInternedAndSorted) {
  const std::vector<std::string> none;
  const std::vector<std::string> a = {"staff", "alice", "staff"};
  const std::vector<std::string> b = {"alice", "staff"};
  const std::vector<std::string>* rows[] = {&none, &a, &b};
  const auto column = AccessColumn::Build(rows);
  ASSERT_NE(column, nullptr);
  const std::string bytes = column->Serialize();
  // One list of two names, and three row numbers.
  EXPECT_EQ(bytes.size(), 4 + 4 + (4 + 5) + (4 + 5) + 3 * 4u);
  const auto parsed = AccessColumn::Parse(bytes, 3);
  ASSERT_TRUE(parsed.ok());
  Bitmap visible(3, true);
  Principal anyone;
  EXPECT_TRUE((*parsed)->MayHideFrom(anyone));
  (*parsed)->ClearHidden(anyone, visible);
  EXPECT_EQ(visible.Count(), 1u);
  EXPECT_TRUE(visible.Test(0));
  anyone.groups = {"staff"};
  EXPECT_FALSE((*parsed)->MayHideFrom(anyone));

  const std::vector<std::string>* open_rows[] = {&none, &none};
  EXPECT_EQ(AccessColumn::Build(open_rows), nullptr);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(AccessColumn::Parse(bytes.substr(0, size), 3).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  EXPECT_FALSE(AccessColumn::Parse(bytes, 2).ok());
}

}  // namespace
}  // namespace vouch
