#include "storage/filesystem.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "storage/concat.h"

namespace vouch {

namespace {

constexpr size_t kMaxIoBytes = size_t{64} << 20;  // Linux moves at most 2 GiB a call; less keeps calls interruptible

absl::Status Error(std::string_view what, const std::string& path, int number) {
  const std::string message =
      Concat("cannot ", what, " ", path, ": ", std::generic_category().message(number));
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

// A file descriptor that is closed when it goes out of scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) (void)::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // 0 or the error's number: some systems tell of a failed write only here.
  int Close() {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd) == 0 ? 0 : errno;
  }

 private:
  int fd_;
};

int Open(const std::string& path, int flags, mode_t mode = 0) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// 0 or the error's number.
int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), std::min(bytes.size(), kMaxIoBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

std::string ParentOf(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

absl::Status SyncDirectory(const std::string& path) {
  Descriptor directory(Open(path, O_RDONLY | O_DIRECTORY));
  if (!directory.valid()) return Error("open the folder", path, errno);
  if (::fsync(directory.get()) != 0) return Error("sync the folder", path, errno);
  return absl::OkStatus();
}

class PosixFilesystem : public Filesystem {
 public:
  absl::Status CreateDirectories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return Error("make the folder", path, error.value());
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator it(path, error);
    for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
      names.push_back(it->path().filename().string());
    }
    if (error) return Error("list", path, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::StatusOr<uint64_t> FileSize(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return Error("look at", path, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::Status RemoveFile(const std::string& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    return Error("remove", path, errno);
  }

  absl::Status RemoveAll(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return Error("remove", path, error.value());
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return Error(Concat("rename to ", to, " the file"), from, errno);
    }
    if (auto s = SyncDirectory(ParentOf(to)); !s.ok()) return s;
    if (ParentOf(from) == ParentOf(to)) return absl::OkStatus();
    return SyncDirectory(ParentOf(from));
  }

  absl::Status ReadFile(const std::string& path, char* buffer, uint64_t size) override {
    Descriptor file(Open(path, O_RDONLY));
    if (!file.valid()) return Error("open", path, errno);
    uint64_t filled = 0;
    while (filled < size) {
      const ssize_t got =
          ::read(file.get(), buffer + filled, std::min<uint64_t>(size - filled, kMaxIoBytes));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Error("read", path, errno);
      if (got == 0) {
        return absl::DataLossError(
            Concat(path, " ends after ", filled, " of ", size, " bytes"));
      }
      filled += static_cast<uint64_t>(got);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const MappedFile>> MapFile(const std::string& path,
                                                            uint64_t offset,
                                                            uint64_t size) override {
    Descriptor file(Open(path, O_RDONLY));
    if (!file.valid()) return Error("open", path, errno);
    struct stat info;
    if (::fstat(file.get(), &info) != 0) return Error("look at", path, errno);
    const auto have = static_cast<uint64_t>(info.st_size);
    if (offset > have || size > have - offset) {
      return absl::DataLossError(Concat(path, " ends after ", have, " bytes; ", size, " from ",
                                        offset, " on were to be mapped"));
    }
    int number = 0;
    std::shared_ptr<const MappedFile> mapped = MappedFile::Map(file.get(), offset, size, number);
    if (mapped == nullptr) return Error("map", path, number);
    return mapped;
  }

  absl::Status ReplaceFile(const std::string& path,
                           const std::vector<std::string_view>& pieces) override {
    // Two writers of one path take different temporary files; the later rename wins.
    static std::atomic<uint64_t> counter{0};
    const std::string temporary = Concat(path, ".tmp", ::getpid(), "-", counter.fetch_add(1));
    if (auto s = WriteNewFile(temporary, pieces); !s.ok()) {
      (void)::unlink(temporary.c_str());
      return s;
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      const int number = errno;
      (void)::unlink(temporary.c_str());
      return Error("replace", path, number);
    }
    return SyncDirectory(ParentOf(path));
  }

 private:
  static absl::Status WriteNewFile(const std::string& path,
                                   const std::vector<std::string_view>& pieces) {
    Descriptor file(Open(path, O_WRONLY | O_CREAT | O_EXCL, 0644));
    if (!file.valid()) return Error("make", path, errno);
    for (const std::string_view piece : pieces) {
      if (const int number = WriteAll(file.get(), piece); number != 0) {
        return Error("write", path, number);
      }
    }
    if (::fsync(file.get()) != 0) return Error("sync", path, errno);
    if (const int number = file.Close(); number != 0) return Error("close", path, number);
    return absl::OkStatus();
  }
};

}  // namespace

Filesystem& Filesystem::System() {
  static PosixFilesystem filesystem;
  return filesystem;
}

}  // namespace vouch
