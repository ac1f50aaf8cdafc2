#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "storage/clock.h"
#include "storage/store.h"

namespace vouch {

// Looks at all objectives now and then, and writes into the audit log where an alarm begins to fire
// or stops ("slo_burn.begin", "slo_burn.end", of "slo/NAME"), which is also what hooks are told.
// What fires is kept, so that nothing is said twice, also over a restart. Thread safe.
//
// Journal record of a tenant: "slo-state/NAME" (what fires).
class SloMonitor {
 public:
  SloMonitor(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  ~SloMonitor();
  SloMonitor(const SloMonitor&) = delete;
  SloMonitor& operator=(const SloMonitor&) = delete;

  // One look at all tenants' objectives.
  absl::Status Look();
  // Looks once a minute, on a thread of its own, until the monitor goes.
  void Start();

 private:
  absl::Status LookAt(const std::string& tenant);

  Store& store_;
  const Clock& clock_;
  std::thread thread_;
  std::mutex mu_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mu_
};

}  // namespace vouch
