#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace vouch {

// Lines of a file or of standard input ("-"), one after the other, in memory that the longest of
// them bounds. Thread compatible.
class LineReader {
 public:
  static constexpr size_t kMaxLineBytes = size_t{64} << 20;

  // NOT_FOUND and INVALID_ARGUMENT name the file.
  static absl::StatusOr<LineReader> Open(const std::string& path);

  // The next line that is not blank, without its break; false at the end. Errors name file and line.
  absl::StatusOr<bool> Next(std::string* line);
  // Of the line that was read last, from 1 on.
  uint64_t line_number() const { return line_number_; }
  // "points.jsonl:17".
  std::string Place() const;

 private:
  struct Close {
    void operator()(std::FILE* file) const {
      if (file != stdin) std::fclose(file);
    }
  };

  std::string name_;
  std::unique_ptr<std::FILE, Close> file_;
  uint64_t line_number_ = 0;
};

}  // namespace vouch
