#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

// Bytes to standard output ("-"), or to a file that takes its place once it is whole.
class OutputFile {
 public:
  static absl::StatusOr<std::unique_ptr<OutputFile>> Create(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  absl::Status Write(std::string_view bytes);
  absl::Status WriteLine(std::string_view line);
  absl::Status Finish();

 private:
  OutputFile() = default;
  absl::Status Failed() const;

  std::string path_;
  std::FILE* file_ = nullptr;
};

}  // namespace vouch
