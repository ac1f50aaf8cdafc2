#include "rag/folder_watcher.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "storage/concat.h"

namespace vouch {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;
constexpr int kStopPollMs = 100;

bool IsHidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.size() > 1 && name.front() == '.' && name != "..";
}

class InotifyWatcher final : public FolderWatcher {
 public:
  InotifyWatcher(int fd, std::vector<std::string> paths, Timing timing)
      : fd_(fd), paths_(std::move(paths)), timing_(timing) {}
  ~InotifyWatcher() override { ::close(fd_); }

  absl::Status Refresh() override {
    std::set<std::string> folders;
    for (const std::string& path : paths_) {
      if (absl::Status status = Collect(path, &folders); !status.ok()) return status;
    }
    for (const std::string& folder : folders) {
      // One that is watched already stays the same watch.
      if (::inotify_add_watch(fd_, folder.c_str(), kEvents) >= 0) continue;
      // Gone since, or not ours to read: the walk says so.
      if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) continue;
      if (errno == ENOSPC) {
        return absl::UnavailableError(Concat("cannot watch ", folder, ": the system's limit of watches is reached (",
                                             folders.size(), " folders; fs.inotify.max_user_watches)"));
      }
      return absl::UnavailableError(Concat("cannot watch ", folder, ": ", std::strerror(errno)));
    }
    folders_ = folders.size();
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Wait(const std::function<bool()>& stop) override {
    SteadyClock::time_point first;
    SteadyClock::time_point last;
    bool changed = false;
    while (!stop()) {
      if (changed && (SteadyClock::now() - last >= timing_.quiet || SteadyClock::now() - first >= timing_.longest)) return true;
      pollfd polled{.fd = fd_, .events = POLLIN, .revents = 0};
      const int wait = changed ? static_cast<int>(std::min<int64_t>(timing_.quiet.count(), kStopPollMs)) : kStopPollMs;
      const int ready = ::poll(&polled, 1, std::max(wait, 1));
      if (ready < 0 && errno != EINTR) return absl::UnavailableError(Concat("poll: ", std::strerror(errno)));
      if (ready <= 0) continue;
      if (!TakeEvents()) continue;
      last = SteadyClock::now();
      if (!changed) first = last;
      changed = true;
    }
    return false;
  }

  size_t folders() const override { return folders_; }

 private:
  static absl::Status Collect(const std::string& path, std::set<std::string>* folders) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      // A file that is replaced is gone for a moment: its folder tells when it is back.
      const std::string parent = fs::path(path).parent_path().string();
      if (!fs::is_directory(parent.empty() ? "." : parent, error)) {
        return absl::NotFoundError(Concat("cannot watch ", path, ": it is not there"));
      }
      folders->insert(parent.empty() ? "." : parent);
      return absl::OkStatus();
    }
    if (!fs::is_directory(status)) {
      const std::string parent = fs::path(path).parent_path().string();
      folders->insert(parent.empty() ? "." : parent);
      return absl::OkStatus();
    }
    folders->insert(path);
    fs::recursive_directory_iterator entries(path, fs::directory_options::skip_permission_denied, error);
    while (!error && entries != fs::recursive_directory_iterator()) {
      std::error_code gone;
      const bool folder = entries->is_directory(gone);
      if (folder && IsHidden(entries->path())) {
        entries.disable_recursion_pending();
      } else if (folder) {
        folders->insert(entries->path().string());
      }
      entries.increment(error);
    }
    // A folder that went away while it was walked: the event of that brings the next look.
    return absl::OkStatus();
  }

  // Reads all there are; false where they are of hidden files alone, which are no documents.
  bool TakeEvents() {
    alignas(inotify_event) char buffer[1 << 16];
    bool any = false;
    while (true) {
      const ssize_t count = ::read(fd_, buffer, sizeof(buffer));
      if (count <= 0) return any;
      for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(inotify_event)) <= count;) {
        inotify_event event;
        std::memcpy(&event, buffer + at, sizeof(event));
        const bool hidden = event.len > 0 && buffer[at + static_cast<ssize_t>(sizeof(event))] == '.';
        // IN_IGNORED tells only that a watch ended; an overflow counts as a change.
        if (!hidden && (event.mask & IN_IGNORED) == 0) any = true;
        at += static_cast<ssize_t>(sizeof(event)) + event.len;
      }
    }
  }

  const int fd_;
  const std::vector<std::string> paths_;
  const Timing timing_;
  size_t folders_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FolderWatcher>> FolderWatcher::Open(const std::vector<std::string>& paths, Timing timing) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return absl::UnavailableError(Concat("cannot watch folders: ", std::strerror(errno)));
  auto watcher = std::make_unique<InotifyWatcher>(fd, paths, timing);
  if (absl::Status status = watcher->Refresh(); !status.ok()) return status;
  return std::unique_ptr<FolderWatcher>(std::move(watcher));
}

}  // namespace vouch
