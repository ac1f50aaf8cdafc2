#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "storage/ids.h"

namespace vouch {

// The versions that calls read at the moment, so that retention takes no row away under one. Thread safe.
//
// A reader takes a lease first and looks then whether its version is readable; retention says first that a version is not
// readable and looks then who holds it. So a reader is refused, or its rows stay until it is done.
class VersionLeases : public std::enable_shared_from_this<VersionLeases> {
 public:
  // Held until the last copy goes; it may outlive this object's owner.
  std::shared_ptr<const void> Take(Version version) {
    const std::lock_guard lock(mu_);
    ++held_[version];
    return std::shared_ptr<const void>(nullptr, [self = shared_from_this(), version](const void*) {
      const std::lock_guard unlock(self->mu_);
      const auto at = self->held_.find(version);
      if (--at->second == 0) self->held_.erase(at);
    });
  }
  std::vector<Version> Held() const {
    const std::lock_guard lock(mu_);
    std::vector<Version> versions;
    for (const auto& [version, count] : held_) versions.push_back(version);
    return versions;
  }

 private:
  mutable std::mutex mu_;
  std::map<Version, size_t> held_;  // guarded by mu_
};

}  // namespace vouch
