#include "api/cli/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

// What a rename has changed is kept by the folder.
bool SyncFolderOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const int folder = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return false;
  const bool synced = ::fsync(folder) == 0 || errno == EINVAL;  // some filesystems sync no folders
  ::close(folder);
  return synced;
}

}  // namespace

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
  const std::string part = path_ + ".part";
  // A pipe or a terminal has nothing to sync.
  const bool synced = std::fflush(file_) == 0 && (::fsync(::fileno(file_)) == 0 || errno == EINVAL || errno == ENOTSUP);
  const int sync_error = errno;
  const bool closed = std::fclose(std::exchange(file_, nullptr)) == 0;
  if (!synced) errno = sync_error;
  if (synced && closed && std::rename(part.c_str(), path_.c_str()) == 0)
    return SyncFolderOf(path_) ? absl::OkStatus() : Failed();
  absl::Status failed = Failed();
  std::remove(part.c_str());
  return failed;
}

absl::Status OutputFile::Failed() const {
  return absl::UnavailableError(absl::StrCat("cannot write '", path_, "': ", std::strerror(errno)));
}

}  // namespace vouch
