#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/mapped_file.h"

namespace vouch {

// The files that are ours (index files, not RocksDB's), injected so that tests can lose what was not synced, fill the
// disk and flip bits. Errors name the path and the system's reason.
class Filesystem {
 public:
  virtual ~Filesystem() = default;

  virtual absl::Status CreateDirectories(const std::string& path) = 0;
  virtual absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) = 0;  // names, sorted
  virtual absl::StatusOr<uint64_t> FileSize(const std::string& path) = 0;
  virtual absl::Status RemoveFile(const std::string& path) = 0;  // no error where there is none
  virtual absl::Status RemoveAll(const std::string& path) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;

  // Reads the first `size` bytes into `buffer`. DATA_LOSS where the file is shorter.
  virtual absl::Status ReadFile(const std::string& path, char* buffer, uint64_t size) = 0;
  // Maps bytes [offset, offset + size), size > 0, to be read at random. DATA_LOSS where the file is shorter.
  // RESOURCE_EXHAUSTED where no more can be mapped.
  virtual absl::StatusOr<std::shared_ptr<const MappedFile>> MapFile(const std::string& path, uint64_t offset,
                                                                    uint64_t size) = 0;
  // Replaces `path` by the pieces, one after the other: temporary file, write, fsync, rename, fsync of the folder.
  // RESOURCE_EXHAUSTED on a full disk; the old file stands then.
  virtual absl::Status ReplaceFile(const std::string& path, const std::vector<std::string_view>& pieces) = 0;

  static Filesystem& System();
};

}  // namespace vouch
