#include <fstream>
#include <random>

#include "tests/storage/store_fixture.h"

namespace vouch {
namespace {

std::unique_ptr<Store> OpenAt(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.create_if_missing = false;
  auto store = Store::Open(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

// Writes over one byte in the middle of the largest file below `path`.
void DamageLargestFile(const std::string& path) {
  std::filesystem::path largest;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (!entry.is_regular_file()) continue;
    if (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)) largest = entry.path();
  }
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(largest) / 2);
  file.seekg(middle);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(middle);
  file.put(byte);
}

using BackupTest = StoreTest;

TEST_F(BackupTest, EachBackupRestoresWhatStoodThen) {
  const std::string backups = dir_.File("backups");
  EXPECT_EQ(ListBackups(backups).status().code(), absl::StatusCode::kNotFound);
  std::vector<std::string> dumps;
  double progress = 0;
  for (uint64_t i = 0; i < 3; ++i) {
    MustCommit(Upsert(c_, {MakeRow(i, i), MakeRow(100, i)}));
    dumps.push_back(Dump(*store_));
    const auto id = store_->Backup(backups, [&](double fraction) {
      progress = fraction;
      return absl::OkStatus();
    });
    ASSERT_TRUE(id.ok()) << id.status();
    EXPECT_EQ(*id, i + 1);
    EXPECT_EQ(progress, 1);
  }
  const auto infos = ListBackups(backups);
  ASSERT_TRUE(infos.ok()) << infos.status();
  ASSERT_EQ(infos->size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*infos)[i].id, i + 1);
    EXPECT_GT((*infos)[i].size_bytes, 0u);
    EXPECT_TRUE(VerifyBackup(backups, i + 1).ok());
    const std::string target = dir_.File(absl::StrCat("restored", i));
    const auto restored = RestoreBackup(backups, i + 1, target);
    ASSERT_TRUE(restored.ok()) << restored;
    EXPECT_EQ(Dump(*OpenAt(target)), dumps[i]);
  }
  ASSERT_TRUE(RestoreBackup(backups, 0, dir_.File("newest")).ok());
  const auto newest = OpenAt(dir_.File("newest"));
  EXPECT_EQ(Dump(*newest), dumps[2]);
  // The restored store goes on.
  EXPECT_EQ(newest->commit_log().Commit(Upsert(c_, {MakeRow(5, 5)}))->header.version, Version(4));
  EXPECT_EQ(VerifyBackup(backups, 9).code(), absl::StatusCode::kNotFound);
}

TEST_F(BackupTest, ABackupStopsWhenItIsToldTo) {
  const std::string backups = dir_.File("backups");
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  ASSERT_TRUE(store_->Backup(backups, nullptr).ok());
  // More than RocksDB copies between two looks at `progress`.
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < 20; ++i) {
    std::string text;
    while (text.size() < 1'000'000) absl::StrAppend(&text, absl::Hex(random()));
    CommitRequest request = Upsert(c_, {MakeRow(10 + i, i)});
    request.upserts[0].payload = absl::StrCat("{\"a\": \"", text, "\"}");
    MustCommit(std::move(request));
  }
  int asked = 0;
  const auto stopped = store_->Backup(backups, [&](double) {
    ++asked;
    return absl::CancelledError("the caller has gone");
  });
  EXPECT_EQ(stopped.status(), absl::CancelledError("the caller has gone"));
  EXPECT_EQ(asked, 1);
  ASSERT_EQ(ListBackups(backups)->size(), 1u);
  EXPECT_TRUE(VerifyBackup(backups, 1).ok());
  ASSERT_TRUE(store_->Backup(backups, nullptr).ok()) << "and the next one is whole";
  EXPECT_TRUE(VerifyBackup(backups, ListBackups(backups)->back().id).ok());
}

TEST_F(BackupTest, ABackupSharesWhatDidNotChange) {
  const std::string backups = dir_.File("backups");
  CommitRequest request = Upsert(c_, {});
  std::string bytes;  // does not compress
  for (uint64_t i = 0, x = 1; i < 1'000'000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    bytes.push_back(static_cast<char>(x >> 56));
  }
  request.artifacts = {{ContentHash(bytes), bytes}};
  MustCommit(request);
  const auto size = [&] {
    uint64_t total = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(backups)) {
      if (entry.is_regular_file()) total += entry.file_size();
    }
    return total;
  };
  ASSERT_TRUE(store_->Backup(backups, nullptr).ok());
  const uint64_t first = size();
  EXPECT_GT(first, 1'000'000u);
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  ASSERT_TRUE(store_->Backup(backups, nullptr).ok());
  EXPECT_LT(size() - first, 200'000u);
}

TEST_F(BackupTest, ARestoreOverwritesNothing) {
  const std::string backups = dir_.File("backups");
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  ASSERT_TRUE(store_->Backup(backups, nullptr).ok());
  const std::string before = Dump(*store_);
  EXPECT_EQ(RestoreBackup(backups, 0, store_->path()).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Dump(*store_), before);
  const std::string full = dir_.File("full");
  std::filesystem::create_directory(full);
  std::ofstream(full + "/file") << "mine";
  EXPECT_EQ(RestoreBackup(backups, 0, full).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store_->Backup(full, nullptr).status().code(), absl::StatusCode::kFailedPrecondition);
  std::filesystem::remove(full + "/file");
  EXPECT_TRUE(RestoreBackup(backups, 0, full).ok());
  EXPECT_EQ(Dump(*OpenAt(full)), before);
}

TEST_F(BackupTest, ADamagedBackupIsNotRestored) {
  const std::string backups = dir_.File("backups");
  MustCommit(Upsert(c_, {MakeRow(1, 1)}));
  ASSERT_TRUE(store_->Backup(backups, nullptr).ok());
  DamageLargestFile(backups + "/shared_checksum");
  EXPECT_EQ(VerifyBackup(backups, 1).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RestoreBackup(backups, 1, dir_.File("r")).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(dir_.File("r")));
}

}  // namespace
}  // namespace vouch
