#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/filesystem.h"

namespace vouch {

// The system's filesystem with faults switched on and off by the test.
class FaultyFilesystem final : public Filesystem {
 public:
  std::atomic<bool> disk_full{false};
  std::atomic<bool> reads_fail{false};
  std::atomic<bool> maps_fail{false};
  std::atomic<bool> removes_fail{false};

  absl::Status CreateDirectories(const std::string& path) override { return System().CreateDirectories(path); }
  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override {
    return System().ListDirectory(path);
  }
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override { return System().FileSize(path); }
  absl::Status RemoveFile(const std::string& path) override {
    if (removes_fail) return absl::PermissionDeniedError(absl::StrCat("'", path, "': not today"));
    return System().RemoveFile(path);
  }
  absl::Status RemoveAll(const std::string& path) override { return System().RemoveAll(path); }
  absl::Status Rename(const std::string& from, const std::string& to) override { return System().Rename(from, to); }
  absl::Status ReadFile(const std::string& path, char* buffer, uint64_t size) override {
    if (reads_fail) return absl::DataLossError(absl::StrCat("'", path, "': input/output error"));
    return System().ReadFile(path, buffer, size);
  }
  absl::StatusOr<std::shared_ptr<const MappedFile>> MapFile(const std::string& path, uint64_t offset,
                                                            uint64_t size) override {
    if (maps_fail) return absl::ResourceExhaustedError(absl::StrCat("'", path, "': too many mappings"));
    return System().MapFile(path, offset, size);
  }
  absl::Status ReplaceFile(const std::string& path, const std::vector<std::string_view>& pieces) override {
    if (disk_full) return absl::ResourceExhaustedError(absl::StrCat("'", path, "': no space left on device"));
    return System().ReplaceFile(path, pieces);
  }
};

}  // namespace vouch
