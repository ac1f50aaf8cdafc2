// The format number: older stores are read and raised, newer ones refused and left as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "storage/coding.h"
#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/store.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FormatTest : public testing::Test {
 protected:
  std::unique_ptr<Rocks> OpenRocks(bool read_only) {
    RocksOptions options;
    options.path = dir_.File("store");
    options.read_only = read_only;
    options.block_cache_bytes = size_t{1} << 20;
    options.write_buffer_bytes = size_t{1} << 20;
    absl::StatusOr<std::unique_ptr<Rocks>> rocks = Rocks::Open(options);
    EXPECT_TRUE(rocks.ok()) << rocks.status();
    return rocks.ok() ? *std::move(rocks) : nullptr;
  }
  absl::StatusOr<std::unique_ptr<Store>> OpenStore() {
    StoreOptions options;
    options.path = dir_.File("store");
    return Store::Open(std::move(options));
  }
  // What an older program left behind that was killed while it dropped a collection.
  void MakeOlderStoreWithAHalfDoneDrop() {
    const std::unique_ptr<Rocks> rocks = OpenRocks(/*read_only=*/false);
    ASSERT_NE(rocks, nullptr);
    std::string number;
    PutBe32(number, 1);
    rocksdb::WriteBatch batch;
    batch.Put(rocks->handle(Family::kCatalog), FormatKey(), number);
    batch.Put(rocks->handle(Family::kCatalog), DroppedKey(prefix_), "");
    batch.Put(rocks->handle(Family::kRows), RowKey(prefix_, RowId(0)), "row");
    ASSERT_TRUE(rocks->Write(batch).ok());
  }
  void SetNumber(uint32_t number) {
    const std::unique_ptr<Rocks> rocks = OpenRocks(/*read_only=*/false);
    ASSERT_NE(rocks, nullptr);
    std::string value;
    PutBe32(value, number);
    rocksdb::WriteBatch batch;
    batch.Put(rocks->handle(Family::kCatalog), FormatKey(), value);
    ASSERT_TRUE(rocks->Write(batch).ok());
  }
  // Straight from the file, past every check.
  std::string NumberOnDisk() {
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    const std::string path = dir_.File("store");
    EXPECT_TRUE(rocksdb::DB::OpenForReadOnly(rocksdb::DBOptions(), path,
                                             {{rocksdb::kDefaultColumnFamilyName, {}},
                                              {"catalog", rocksdb::ColumnFamilyOptions()}},
                                             &handles, &db)
                    .ok());
    std::string value;
    EXPECT_TRUE(db->Get(rocksdb::ReadOptions(), handles[1], FormatKey(), &value).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) delete handle;
    delete db;
    return value;
  }

  TempDir dir_;
  const std::string prefix_ = CollectionPrefix(TenantNumber(1), CollectionId(1));
};

TEST_F(FormatTest, ANewStoreSaysItsFormat) {
  ASSERT_TRUE(OpenStore().ok());
  EXPECT_EQ(NumberOnDisk(), std::string("\0\0\0\5", 4));
}

TEST_F(FormatTest, AnOlderStoreIsReadAndRaisedOnceItIsOpenedToWrite) {
  ASSERT_NO_FATAL_FAILURE(MakeOlderStoreWithAHalfDoneDrop());
  StoreOptions options;
  options.path = dir_.File("store");
  ASSERT_TRUE(VerifyStore(options).ok());
  EXPECT_EQ(NumberOnDisk(), std::string("\0\0\0\1", 4)) << "verifying changes nothing";
  {
    const auto store = OpenStore();
    ASSERT_TRUE(store.ok()) << store.status();
  }
  EXPECT_EQ(NumberOnDisk(), std::string("\0\0\0\5", 4));
  const std::unique_ptr<Rocks> rocks = OpenRocks(/*read_only=*/true);
  ASSERT_NE(rocks, nullptr);
  EXPECT_EQ(*rocks->Get(Family::kCatalog, DroppedKey(prefix_)), std::nullopt);
  EXPECT_EQ(*rocks->Get(Family::kRows, RowKey(prefix_, RowId(0))), std::nullopt);
}

TEST_F(FormatTest, ANewerStoreIsRefusedAndLeftAsItIs) {
  ASSERT_NO_FATAL_FAILURE(SetNumber(kFormatNumber + 1));
  for (int opened = 0; opened < 2; ++opened) {
    const auto store = OpenStore();
    EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition) << store.status();
    EXPECT_THAT(std::string(store.status().message()),
                AllOf(HasSubstr(absl::StrCat("format ", kFormatNumber + 1)),
                      HasSubstr(absl::StrCat("up to ", kFormatNumber)), HasSubstr("newer")));
  }
  EXPECT_EQ(NumberOnDisk(), std::string("\0\0\0\5", 4));
}

TEST_F(FormatTest, ANumberThatDoesNotDecodeIsDamage) {
  ASSERT_NO_FATAL_FAILURE(SetNumber(0));
  EXPECT_EQ(OpenStore().status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace vouch
