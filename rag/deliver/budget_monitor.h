#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "index/cancel.h"
#include "rag/llm/spend_ledger.h"
#include "storage/clock.h"
#include "storage/store.h"

namespace vouch {

// Looks at what tenants have spent of the day's limits, and writes into the audit log, once a day for
// each limit, where kNearShare of it is spent or reserved ("budget.near") and where it is reached or
// has refused a call ("budget.spent"), of "budget/PIPELINE" or "budget/(all pipelines)"; which is
// also what hooks are told. Thread safe.
//
// Journal record of a tenant: "budget-state" ({format, days: {DAY: {PIPELINE: level}}}), what was told
// of today and yesterday.
class BudgetMonitor {
 public:
  static constexpr double kNearShare = 0.8;
  // What the server's own route, or the tenant's in its place, sets as limits.
  using LimitsOf = std::function<absl::StatusOr<SpendLimits>(const std::string& tenant)>;

  BudgetMonitor(Store& store, const Clock& clock, LimitsOf limits_of)
      : store_(store), clock_(clock), limits_of_(std::move(limits_of)) {}

  // One look at all tenants. Yesterday is looked at too: its end may have come since the last look.
  absl::Status Look(const CancelToken& cancel = {});

 private:
  absl::Status LookAt(const std::string& tenant);

  Store& store_;
  const Clock& clock_;
  const LimitsOf limits_of_;
};

}  // namespace vouch
