#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vouch {

// Notices, by inotify, that something changed under files and folders: created, written, moved, deleted, or its rights
// changed. It does not say what: who listens looks at everything again, so that no burst, rename or lost event can leave
// them with another picture than the folder's.
//
// Not thread safe.
class FolderWatcher {
 public:
  struct Timing {
    std::chrono::milliseconds quiet = std::chrono::milliseconds(300);   // without an event, so that a burst is one change
    std::chrono::milliseconds longest = std::chrono::seconds(5);        // after the first event, quiet or not
  };
  // Watches the paths and all folders below them but hidden ones. UNAVAILABLE: the system gives no more watches; names the
  // setting. NOT_FOUND: a path is not there.
  static absl::StatusOr<std::unique_ptr<FolderWatcher>> Open(const std::vector<std::string>& paths, Timing timing);
  virtual ~FolderWatcher() = default;

  // Watches folders that came since, too. What changed after this call is told by the next Wait; so call it before looking.
  virtual absl::Status Refresh() = 0;
  // Waits for a change; false where `stop` came true first. `stop` is asked every 100 ms and when a signal came.
  virtual absl::StatusOr<bool> Wait(const std::function<bool()>& stop) = 0;
  virtual size_t folders() const = 0;
};

}  // namespace vouch
