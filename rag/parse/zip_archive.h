#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace vouch {

// Reads parts of a ZIP archive in memory. What a part says of its size is not believed.
class ZipArchive {
 public:
  // `bytes` outlive the archive. INVALID_ARGUMENT: no archive, or one with more entries than the limit.
  static absl::StatusOr<std::unique_ptr<ZipArchive>> Open(std::string_view bytes, size_t max_entries);
  virtual ~ZipArchive() = default;

  // A part, unpacked. NOT_FOUND; INVALID_ARGUMENT: damaged or encrypted; RESOURCE_EXHAUSTED: larger than `max_bytes`.
  virtual absl::StatusOr<std::string> Read(const std::string& name, size_t max_bytes) const = 0;
};

}  // namespace vouch
