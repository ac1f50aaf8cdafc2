#include "storage/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/bus_guard.h"
#include "storage/filesystem.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using testing::HasSubstr;

const size_t kPage = static_cast<size_t>(::sysconf(_SC_PAGESIZE));

class MappedFileTest : public testing::Test {
 protected:
  void Write(size_t pages) {
    bytes_.clear();
    for (size_t i = 0; i < pages * kPage; ++i) bytes_ += static_cast<char>('a' + i % 23);
    ASSERT_TRUE(Filesystem::System().ReplaceFile(path_, {bytes_}).ok());
  }
  std::shared_ptr<const MappedFile> Map(uint64_t offset, uint64_t size) {
    auto mapped = Filesystem::System().MapFile(path_, offset, size);
    EXPECT_TRUE(mapped.ok()) << mapped.status();
    return mapped.ok() ? *mapped : nullptr;
  }
  static std::string Read(const MappedFile& file, size_t offset, size_t size) {
    std::string copy(size, '\0');
    std::memcpy(copy.data(), file.data() + offset, size);
    return copy;
  }

  TempDir dir_;
  std::string path_ = dir_.File("f");
  std::string bytes_;
};

TEST_F(MappedFileTest, ShowsTheBytesFromAnyOffset) {
  Write(3);
  for (const size_t offset : {size_t{0}, size_t{100}, kPage, 2 * kPage + 1}) {
    const auto file = Map(offset, bytes_.size() - offset);
    ASSERT_EQ(file->size(), bytes_.size() - offset);
    file->WillNeed(0, 10 * kPage);
    file->WillNeed(50 * kPage, 1);
    EXPECT_EQ(Read(*file, 0, file->size()), bytes_.substr(offset));
  }
}

TEST_F(MappedFileTest, AFileThatIsShorterIsRefused) {
  Write(1);
  Filesystem& system = Filesystem::System();
  EXPECT_EQ(system.MapFile(path_, 1, kPage).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(system.MapFile(path_, 2 * kPage, 1).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(system.MapFile(path_, 1, UINT64_MAX).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(system.MapFile(dir_.File("none"), 0, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(system.MapFile(path_, 0, 0).ok());
}

TEST_F(MappedFileTest, WhatIsCutOffReadsAsZeros) {
  Write(6);
  const auto file = Map(100, bytes_.size() - 100);
  std::filesystem::resize_file(path_, 2 * kPage + 10);
  EXPECT_EQ(Read(*file, 5 * kPage - 100, kPage), std::string(kPage, '\0'));
  EXPECT_EQ(Read(*file, 0, 2 * kPage - 90), bytes_.substr(100, 2 * kPage - 90));
  EXPECT_EQ(Read(*file, 3 * kPage - 100, 3 * kPage), std::string(3 * kPage, '\0'));
  std::filesystem::resize_file(path_, 0);
  EXPECT_EQ(Read(*file, 0, file->size()), std::string(file->size(), '\0'));
}

TEST_F(MappedFileTest, ManyThreadsMeetTheEnd) {
  Write(200);
  const auto file = Map(0, bytes_.size());
  std::filesystem::resize_file(path_, kPage);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 200; ++i) {
        const size_t page = 1 + (i * 83 + t * 41) % 199;
        if (Read(*file, page * kPage, kPage) != std::string(kPage, '\0')) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(MappedFileTest, ARemovedOrReplacedFileStaysAsItWas) {
  Write(2);
  const auto file = Map(0, bytes_.size());
  ASSERT_TRUE(Filesystem::System().ReplaceFile(path_, {"other"}).ok());
  EXPECT_EQ(Read(*file, 0, file->size()), bytes_);
  std::filesystem::remove(path_);
  EXPECT_EQ(Read(*file, 0, file->size()), bytes_);
}

TEST_F(MappedFileTest, MoreThanTheGuardHasPlacesForAreRefused) {
  Write(1);
  std::vector<std::shared_ptr<const MappedFile>> files;
  absl::Status status;
  while (status.ok() && files.size() <= BusGuard::kMaxRanges) {
    auto mapped = Filesystem::System().MapFile(path_, 0, 1);
    status = mapped.status();
    if (mapped.ok()) files.push_back(*std::move(mapped));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  EXPECT_EQ(files.size(), BusGuard::kMaxRanges);
  files.pop_back();
  EXPECT_NE(Map(0, 1), nullptr);
}

// Reads behind the end of a mapping that the guard does not know.
void TouchUnguarded(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  void* mapping = ::mmap(nullptr, 2 * kPage, PROT_READ, MAP_SHARED, descriptor, 0);
  std::filesystem::resize_file(path, 0);
  (void)static_cast<const volatile char*>(mapping)[kPage];
}

TEST_F(MappedFileTest, AnotherBusErrorEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Write(2);
  EXPECT_DEATH(
      {
        const auto file = Map(0, kPage);
        TouchUnguarded(path_);
      },
      "");
}

TEST_F(MappedFileTest, AnotherBusErrorGoesToTheHandlerThatWasThere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Write(2);
  EXPECT_EXIT(
      {
        std::signal(SIGBUS, [](int) { ::_exit(42); });
        const auto file = Map(0, kPage);
        TouchUnguarded(path_);
      },
      testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace vouch
