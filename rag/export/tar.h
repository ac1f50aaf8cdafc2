#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace vouch {

// An archive that any tar opens: POSIX ustar (IEEE 1003.1, pax, "ustar Interchange Format"), plain files alone, with nothing
// in it but names and bytes: owner 0, mode 644, time 0. So the same files in the same order are the same bytes.
class TarWriter {
 public:
  static constexpr size_t kMaxPathBytes = 100;
  static constexpr uint64_t kMaxFileBytes = (uint64_t{1} << 33) - 1;  // eleven octal digits
  using Sink = std::function<absl::Status(std::string_view bytes)>;

  explicit TarWriter(Sink sink) : sink_(std::move(sink)) {}

  // INVALID_ARGUMENT: the path is empty or too long. Errors of the sink are passed on.
  absl::Status Add(std::string_view path, std::string_view bytes);
  absl::Status Finish();
  uint64_t bytes() const { return bytes_; }

 private:
  absl::Status Put(std::string_view bytes);

  const Sink sink_;
  uint64_t bytes_ = 0;
};

struct TarFile {
  std::string path = {};
  std::string_view bytes = {};  // of the archive
};

// An archive as TarWriter writes it, and what of it is not as it would write it.
struct TarContent {
  std::vector<TarFile> files = {};
  // Each a sentence that names the file and the byte. After one that says so, the rest could not be read.
  std::vector<std::string> problems = {};
};
// Never fails: hostile bytes give problems. At most kMaxProblems.
TarContent ReadTar(std::string_view archive);

}  // namespace vouch
