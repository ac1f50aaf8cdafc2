#include "api/cli/output_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace vouch {

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Create(const std::string& path) {
  std::unique_ptr<OutputFile> file(new OutputFile());
  file->path_ = path;
  file->file_ = path == "-" ? stdout : std::fopen((path + ".part").c_str(), "wb");
  if (file->file_ == nullptr) return file->Failed();
  return file;
}

OutputFile::~OutputFile() {
  if (file_ == nullptr || file_ == stdout) return;
  std::fclose(file_);
  std::remove((path_ + ".part").c_str());
}

absl::Status OutputFile::Write(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size() ? absl::OkStatus() : Failed();
}

absl::Status OutputFile::WriteLine(std::string_view line) {
  if (absl::Status status = Write(line); !status.ok()) return status;
  return Write("\n");
}

absl::Status OutputFile::Finish() {
  if (file_ == stdout) return std::fflush(stdout) == 0 ? absl::OkStatus() : Failed();
  if (std::fclose(std::exchange(file_, nullptr)) != 0 ||
      std::rename((path_ + ".part").c_str(), path_.c_str()) != 0) {
    return Failed();
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Failed() const {
  return absl::UnavailableError(absl::StrCat("cannot write '", path_, "': ", std::strerror(errno)));
}

}  // namespace vouch
