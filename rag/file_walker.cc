#include "rag/file_walker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rag/parse/parser.h"
#include "rag/parse/utf8.h"

namespace vouch {
namespace {

namespace fs = std::filesystem;

using FileKey = std::pair<uint64_t, uint64_t>;  // device, inode

absl::Status SystemError(int error, const std::string& path, const char* what) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(error));
  if (error == ENOENT || error == ENOTDIR) return absl::NotFoundError(message);
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(message);
  return absl::UnavailableError(message);
}

// A name as it may stand in a message or id: bytes that are not UTF-8 as U+FFFD.
std::string Printable(const std::string& name) {
  std::string text;
  std::string_view rest = name;
  while (const auto bad = FindInvalidUtf8(rest)) {
    text.append(rest.substr(0, *bad)).append("\uFFFD");
    rest.remove_prefix(*bad + 1);
  }
  return text.append(rest);
}

class Walker {
 public:
  Walker(std::vector<SourceFile>* files, std::vector<SkippedSource>* skipped) : files_(files), skipped_(skipped) {}

  // What is no link comes before all links, so that a link to a file inside the folder does not take its place.
  void Walk(const std::string& path, const std::string& id, const struct stat& info) {
    Visit(path, id, info, /*is_argument=*/true);
    Drain();
    while (!links_.empty()) {
      const auto link = links_.begin();
      const auto [link_id, link_path] = *link;
      links_.erase(link);
      Follow(link_path, link_id);
      Drain();
    }
  }

 private:
  void Skip(const std::string& id, absl::Status reason) { skipped_->push_back({id, std::move(reason)}); }

  void Drain() {
    while (!folders_.empty()) {
      const auto [path, id] = std::move(folders_.back());
      folders_.pop_back();
      List(path, id);
    }
  }

  void List(const std::string& path, const std::string& id) {
    std::error_code error;
    fs::directory_iterator entries(path, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
      const std::string name = entries->path().filename().string();
      if (name.empty() || name.front() == '.') continue;
      const std::string entry_path = path.ends_with('/') ? path + name : path + "/" + name;
      const std::string entry_id = absl::StrCat(id, "/", Printable(name));
      if (FindInvalidUtf8(name)) {
        Skip(entry_id, absl::InvalidArgumentError("its name is not UTF-8"));
        continue;
      }
      struct stat info;
      if (::lstat(entry_path.c_str(), &info) != 0) {
        Skip(entry_id, SystemError(errno, entry_path, "cannot look at"));
      } else if (S_ISLNK(info.st_mode)) {
        links_.emplace(entry_id, entry_path);
      } else {
        Visit(entry_path, entry_id, info, /*is_argument=*/false);
      }
    }
    if (error) Skip(id, SystemError(error.value(), path, "cannot list"));
  }

  void Follow(const std::string& path, const std::string& id) {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) {
      const absl::Status status = errno == ELOOP
                                      ? absl::FailedPreconditionError("a symbolic link that leads to itself")
                                      : SystemError(errno, path, "cannot follow the symbolic link");
      return Skip(id, status);
    }
    const auto seen = seen_.find({info.st_dev, info.st_ino});
    if (seen == seen_.end()) return Visit(path, id, info, /*is_argument=*/false);
    if (!S_ISDIR(info.st_mode) && !MediaTypeOf(id)) return Visit(path, id, info, /*is_argument=*/false);
    Skip(id, absl::AlreadyExistsError(
                 absl::StrCat("a symbolic link to ", seen->second, ", which is read already")));
  }

  void Visit(const std::string& path, const std::string& id, const struct stat& info, bool is_argument) {
    if (S_ISDIR(info.st_mode)) {
      const auto [seen, fresh] = seen_.emplace(FileKey{info.st_dev, info.st_ino}, id);
      if (fresh) {
        folders_.emplace_back(path, id);
      } else {
        // A bind mount, or a folder swapped while it is walked.
        Skip(id, absl::AlreadyExistsError(absl::StrCat("the same folder as ", seen->second)));
      }
      return;
    }
    if (!S_ISREG(info.st_mode)) return Skip(id, absl::InvalidArgumentError("neither a file nor a folder"));
    const std::optional<MediaType> type = MediaTypeOf(is_argument ? path : id);
    if (!type) {
      return Skip(id, absl::UnimplementedError(
                          absl::StrCat("unknown kind of file; known are ", kKnownEndings)));
    }
    seen_.emplace(FileKey{info.st_dev, info.st_ino}, id);
    files_->push_back({.path = path, .id = id, .media_type = *type});
  }

  std::vector<SourceFile>* const files_;
  std::vector<SkippedSource>* const skipped_;
  std::vector<std::pair<std::string, std::string>> folders_;  // to be listed: path, id
  std::map<std::string, std::string> links_;                  // to be followed: id → path
  std::map<FileKey, std::string> seen_;                       // → id
};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

bool SameTime(const struct timespec& a, const struct timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

std::string ScopeOf(const std::string& path) {
  std::error_code error;
  fs::path clean = fs::path(path).lexically_normal();
  if (!clean.has_filename()) clean = clean.parent_path();
  std::string name = clean.filename().string();
  if (name.empty() || name == "." || name == "..") {
    name = fs::weakly_canonical(fs::absolute(path.empty() ? "." : path, error), error).filename().string();
  }
  return name.empty() ? "root" : Printable(name);
}

absl::Status WalkFiles(const std::string& path, std::vector<SourceFile>* files, std::vector<SkippedSource>* skipped) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return SystemError(errno, path, "cannot read");
  std::vector<SourceFile> found;
  std::vector<SkippedSource> left_out;
  Walker(&found, &left_out).Walk(path, ScopeOf(path), info);
  const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::sort(found.begin(), found.end(), by_id);
  std::sort(left_out.begin(), left_out.end(), by_id);
  std::move(found.begin(), found.end(), std::back_inserter(*files));
  std::move(left_out.begin(), left_out.end(), std::back_inserter(*skipped));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSource(const std::string& path, const std::function<void()>& while_reading) {
  // Without O_NONBLOCK a pipe put in the file's place would hold us for ever.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return SystemError(errno, path, "cannot open");
  struct stat before;
  if (::fstat(file.get(), &before) != 0) return SystemError(errno, path, "cannot read");
  if (!S_ISREG(before.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": it is not a file"));
  }
  const uint64_t size = before.st_size;
  if (size > ParseLimits::kMaxDocumentBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(path, " has ", size, " bytes; the limit is ",
                                                     ParseLimits::kMaxDocumentBytes));
  }
  // One byte more than there should be shows a file that has grown.
  std::string bytes(size + 1, '\0');
  uint64_t done = 0;
  while (done < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError(errno, path, "cannot read");
    if (count == 0) break;
    done += count;
  }
  if (while_reading) while_reading();
  struct stat after;
  if (::fstat(file.get(), &after) != 0) return SystemError(errno, path, "cannot read");
  if (done != size || after.st_size != before.st_size || !SameTime(after.st_mtim, before.st_mtim) ||
      !SameTime(after.st_ctim, before.st_ctim)) {
    return absl::AbortedError(absl::StrCat(path, " changed while it was read"));
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace vouch
