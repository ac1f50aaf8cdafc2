#pragma once

#include <string>

#include "absl/status/status.h"
#include "index/cancel.h"
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

  // One look at all tenants' objectives, or at those that it comes to until it is cancelled.
  absl::Status Look(const CancelToken& cancel = {});

 private:
  absl::Status LookAt(const std::string& tenant, const CancelToken& cancel);

  Store& store_;
  const Clock& clock_;
};

}  // namespace vouch
