// A full disk and missing files: a clear state, never a crash, never a wrong answer.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/store.h"
#include "tests/storage/store_fixture.h"
#include "tests/support/fault_env.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using testing::HasSubstr;

class CountingListener : public CommitListener {
 public:
  void OnCommits(std::span<const DurableCommit> commits) override { last = commits.back().header->version; }
  Version last;
};

TEST(FaultTest, AFullDiskLeavesAStoreThatReads) {
  TempDir dir;
  FaultEnv env(1);
  StoreOptions options;
  options.path = dir.File("store");
  options.rocksdb_env = env.env();
  auto store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  const CollectionId id = (*store)->catalog().CreateCollection("t", "c", TwoFieldSchema(), 7)->id;
  CountingListener listener;
  (*store)->SetListener(&listener);
  env.SetFreeBytes(20'000);
  uint64_t done = 0;
  absl::Status failure;
  while (done < 1000 && failure.ok()) {
    const auto result = (*store)->commit_log().Commit(Upsert(id, {MakeRow(done, done)}));
    failure = result.status();
    done += result.ok() ? 1 : 0;
  }
  EXPECT_EQ(failure.code(), absl::StatusCode::kResourceExhausted) << failure;
  EXPECT_GT(done, 10u);
  EXPECT_EQ(listener.last, Version(done)) << "the failed commit was told to the listener";

  env.SetFreeBytes(std::nullopt);  // space alone does not bring it back
  const auto later = (*store)->commit_log().Commit(Upsert(id, {MakeRow(1, 1)}));
  EXPECT_EQ(later.status().code(), absl::StatusCode::kUnavailable) << later.status();
  EXPECT_THAT(std::string(later.status().message()), HasSubstr("the disk is full"));
  EXPECT_EQ((*store)->catalog().CreateCollection("t", "d", TwoFieldSchema(), 7).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ((*store)->GetState(id)->latest, Version(done));
  EXPECT_TRUE((*store)->ReadRow(id, RowId(done - 1), true).ok());
  EXPECT_FALSE((*store)->ReadRow(id, RowId(done), true).ok());

  store->reset();
  env.CrashAfter(0);
  env.Recover();
  store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  // The commit that failed was not acknowledged; it may stand wholly in the log.
  const uint64_t latest = (*store)->GetState(id)->latest.value;
  EXPECT_TRUE(latest == done || latest == done + 1) << latest;
  EXPECT_TRUE((*store)->commit_log().Commit(Upsert(id, {MakeRow(1, 1)})).ok());
}

// A store with collections "c", which has 30 rows in several data files, and "d".
void MakeTwoCollections(const StoreOptions& options) {
  for (uint64_t opened = 0; opened < 3; ++opened) {  // each closing flushes
    auto store = Store::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    Catalog& catalog = (*store)->catalog();
    if (opened == 0) {
      ASSERT_TRUE(catalog.CreateCollection("t", "c", TwoFieldSchema(), 7).ok());
      ASSERT_TRUE(catalog.CreateCollection("t", "d", TwoFieldSchema(), 7).ok());
    }
    const CollectionId id = catalog.GetCollection("t", "c")->id;
    for (uint64_t i = 10 * opened; i < 10 * opened + 10; ++i) {
      ASSERT_TRUE((*store)->commit_log().Commit(Upsert(id, {MakeRow(i, i)})).ok());
    }
  }
}

TEST(FaultTest, ADropThatThePowerCutsShortIsDoneOrNotDone) {
  int dropped = 0;
  int kept = 0;
  for (uint64_t operations = 1; operations < 12; ++operations) {
    SCOPED_TRACE(operations);
    TempDir dir;
    FaultEnv env(operations);
    StoreOptions options;
    options.path = dir.File("store");
    options.rocksdb_env = env.env();
    ASSERT_NO_FATAL_FAILURE(MakeTwoCollections(options));
    {
      auto store = Store::Open(options);
      ASSERT_TRUE(store.ok()) << store.status();
      env.CrashAfter(operations);
      const absl::Status status = (*store)->catalog().DropCollection("t", "c");
      EXPECT_TRUE(status.ok() || env.crashed()) << status;
      env.CrashAfter(0);
    }
    env.Recover();
    for (int opened = 0; opened < 2; ++opened) {
      auto report = VerifyStore(options);
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_TRUE(report->problems.empty()) << report->problems.front();
      EXPECT_TRUE((report->collections == 2 && report->rows == 30) ||
                  (report->collections == 1 && report->rows == 0))
          << report->collections << " collections, " << report->rows << " rows";
      (report->collections == 1 ? dropped : kept) += 1;
      ASSERT_TRUE(Store::Open(options).ok());
    }
  }
  EXPECT_GT(dropped, 0);
  EXPECT_GT(kept, 0);
}

// Compactions of what was dropped write files with hardly anything in them, which RocksDB must be
// able to fail at.
TEST(FaultTest, AFullDiskAfterADropEndsNoProcess) {
  for (uint64_t free = 0; free < 40'000; free += 5'000) {
    SCOPED_TRACE(free);
    TempDir dir;
    FaultEnv env(free);
    StoreOptions options;
    options.path = dir.File("store");
    options.rocksdb_env = env.env();
    ASSERT_NO_FATAL_FAILURE(MakeTwoCollections(options));
    {
      auto store = Store::Open(options);
      ASSERT_TRUE(store.ok()) << store.status();
      ASSERT_TRUE((*store)->catalog().DropCollection("t", "c").ok());
    }
    for (int opened = 0; opened < 2; ++opened) {
      env.SetFreeBytes(free);
      {
        auto store = Store::Open(options);  // or not, for want of space
        if (!store.ok()) {
          EXPECT_EQ(store.status().code(), absl::StatusCode::kResourceExhausted) << store.status();
        }
      }
      env.SetFreeBytes(std::nullopt);
      auto store = Store::Open(options);
      ASSERT_TRUE(store.ok()) << store.status();
      const auto info = (*store)->catalog().GetCollection("t", "d");
      ASSERT_TRUE(info.ok()) << info.status();
      EXPECT_TRUE((*store)->commit_log().Commit(Upsert(info->id, {MakeRow(1, 1)})).ok());
    }
  }
}

// Opens and reads one row.
absl::Status Look(const std::string& path, CollectionId id) {
  StoreOptions options;
  options.path = path;
  const auto store = Store::Open(options);
  if (!store.ok()) return store.status();
  return (*store)->ReadRow(id, RowId(0), true).status();
}

TEST_F(StoreTest, AMissingFileIsDataLossAndNeverAnEmptyStore) {
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  store_.reset();
  namespace fs = std::filesystem;
  const std::string path = dir_.File("store");
  const std::string copy = dir_.File("copy");
  int files = 0;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name != "CURRENT" && !name.starts_with("MANIFEST") && !name.ends_with(".sst")) continue;
    fs::remove_all(copy);
    fs::copy(path, copy);
    fs::remove(copy + "/" + name);
    const absl::Status status = Look(copy, c_);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << name << ": " << status;
    ++files;
  }
  EXPECT_GT(files, 3);
}

}  // namespace
}  // namespace vouch
