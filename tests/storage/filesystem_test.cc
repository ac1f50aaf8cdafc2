#include "storage/filesystem.h"

#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Read(const std::string& path) {
  const auto size = Filesystem::System().FileSize(path);
  EXPECT_TRUE(size.ok()) << size.status();
  std::string bytes(size.ok() ? *size : 0, '\0');
  EXPECT_TRUE(Filesystem::System().ReadFile(path, bytes.data(), bytes.size()).ok());
  return bytes;
}

TEST(FilesystemTest, FilesAreReplacedWhole) {
  TempDir dir;
  Filesystem& system = Filesystem::System();
  const std::string path = dir.File("f");
  ASSERT_TRUE(system.ReplaceFile(path, {"one", "", "two"}).ok());
  EXPECT_EQ(Read(path), "onetwo");
  ASSERT_TRUE(system.ReplaceFile(path, {}).ok());
  EXPECT_EQ(Read(path), "");
  EXPECT_THAT(*system.ListDirectory(dir.path()), ElementsAre("f"));  // no temporary file is left
}

TEST(FilesystemTest, AReplacementThatFailsLeavesTheOldFile) {
  TempDir dir;
  Filesystem& system = Filesystem::System();
  const std::string path = dir.File("f");
  ASSERT_TRUE(system.ReplaceFile(path, {"old"}).ok());
  // A limit on file sizes stands for the full disk.
  rlimit old_limit;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = system.ReplaceFile(path, {std::string(5000, 'x')});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_EQ(Read(path), "old");
  EXPECT_THAT(*system.ListDirectory(dir.path()), ElementsAre("f"));
}

TEST(FilesystemTest, ErrorsNameThePath) {
  TempDir dir;
  Filesystem& system = Filesystem::System();
  const std::string none = dir.File("none"), below = none + "/below";
  char byte = 0;
  for (const absl::Status& status :
       {system.FileSize(none).status(), system.ReadFile(none, &byte, 1), system.ListDirectory(none).status(),
        system.ReplaceFile(below, {"x"}), system.Rename(none, below)}) {
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(none));
  }
  EXPECT_TRUE(system.RemoveFile(none).ok());
  EXPECT_TRUE(system.RemoveAll(none).ok());
}

TEST(FilesystemTest, AShortFileIsDataLoss) {
  TempDir dir;
  const std::string path = dir.File("f");
  ASSERT_TRUE(Filesystem::System().ReplaceFile(path, {"123"}).ok());
  char bytes[4];
  const absl::Status status = Filesystem::System().ReadFile(path, bytes, 4);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_TRUE(Filesystem::System().ReadFile(path, bytes, 2).ok());
}

TEST(FilesystemTest, FoldersAreMadeListedAndRemoved) {
  TempDir dir;
  Filesystem& system = Filesystem::System();
  ASSERT_TRUE(system.CreateDirectories(dir.File("a/b/c")).ok());
  ASSERT_TRUE(system.CreateDirectories(dir.File("a/b/c")).ok());
  ASSERT_TRUE(system.ReplaceFile(dir.File("a/z"), {"z"}).ok());
  ASSERT_TRUE(system.ReplaceFile(dir.File("a/m"), {"m"}).ok());
  EXPECT_THAT(*system.ListDirectory(dir.File("a")), ElementsAre("b", "m", "z"));
  ASSERT_TRUE(system.Rename(dir.File("a/m"), dir.File("a/z")).ok());
  EXPECT_EQ(Read(dir.File("a/z")), "m");
  ASSERT_TRUE(system.RemoveAll(dir.File("a")).ok());
  EXPECT_TRUE(system.ListDirectory(dir.path())->empty());
}

}  // namespace
}  // namespace vouch
