#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "rag/export/tar.h"
#include "rag/record_reader.h"

namespace vouch {

// The files of a bundle as they are written, with what the manifest says of them. Used by one thread.
class BundleFiles {
 public:
  explicit BundleFiles(const TarWriter::Sink& sink) : tar_(sink) {}

  absl::Status Add(std::string_view path, std::string_view bytes);
  // Where there are none, there is no file.
  absl::Status AddLines(std::string_view path, const std::vector<std::string>& lines);
  // The manifest with the list of files, SHA256SUMS and the archive's end. `seal`: SHA-256 of the latter file.
  absl::Status Finish(RecordJson manifest, std::string* seal);

  uint64_t count() const { return listed_.size(); }
  uint64_t bytes() const { return tar_.bytes(); }

 private:
  struct Listed {
    std::string path;
    uint64_t bytes = 0;
    std::string sha256;
  };

  TarWriter tar_;
  std::vector<Listed> listed_;
};

// Numbered lines in files of some MiB each, so that neither who writes nor who checks holds all of them.
class BundleLines {
 public:
  static constexpr size_t kMaxBytes = size_t{4} << 20;  // of a file, but for its last line

  // Files are called by `prefix` and the number of their first line.
  BundleLines(std::string_view prefix, BundleFiles& files) : prefix_(prefix), files_(files) {}

  absl::Status Add(uint64_t number, std::string_view line);
  absl::Status Flush();

 private:
  const std::string prefix_;
  BundleFiles& files_;
  uint64_t first_ = 0;
  std::string bytes_;
};

}  // namespace vouch
