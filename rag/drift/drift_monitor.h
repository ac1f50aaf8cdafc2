#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/database.h"
#include "rag/drift/cool_down.h"
#include "rag/drift/drift_look.h"
#include "rag/drift/drift_reference.h"
#include "rag/drift/drift_sample.h"
#include "rag/drift/drift_spec.h"
#include "rag/embed/embedder_registry.h"

namespace vouch {

// What an alarm has started.
struct DriftStart {
  const std::string& tenant;
  const DriftSpec& spec;
  const DriftAlarm& alarm;
  const DriftAction& action;  // its id is what an earlier try began, before a kill; empty: nothing
  // Keeps the id of what is about to begin, durably. Before anything of that id is there.
  const std::function<absl::Status(const std::string& id)>& begun;
  const CancelToken& cancel;
};

// What an alarm can start. Each may be called again for an alarm that it was called for, after a
// kill; what it says of itself is kept with the alarm.
struct DriftStarters {
  using Starter = std::function<absl::StatusOr<std::string>(const DriftStart& start)>;
  Starter evaluate = nullptr;
  Starter reembed = nullptr;
};

struct DriftMonitorOptions {
  DriftStarters starters = {};
  std::function<SteadyTime()> steady = SteadyNow;
  uint64_t max_scanned_answers = kMaxScannedAnswers;  // for a window; more: rarer questions fill it
  // Hears of each look at a kind once it is on record; `began`: with an alarm.
  std::function<void(const KindLook& look, bool began)> on_look = nullptr;
};

// Looks at what monitors watch, and keeps what it found. Thread safe; of a monitor one look at a
// time, whoever asks for it.
//
// Invariants:
// 1. What a look found, the alarm that it raised and the audit log's entry are one transaction: a
//    look that was cut short never was.
// 2. An alarm is told once, when a kind begins to drift ("drift.begin"), and its end once
//    ("drift.end"), also over a restart. A look that cannot tell changes neither.
// 3. What an alarm starts is due with the alarm, in the same transaction, and the cool-down begins
//    there: at most one start of a monitor within it, whatever the clock does while the machine runs.
// 4. What is started runs apart from looks, and holds none of them up.
//
// Journal records of a tenant: "drift-state/NAME", "drift-alarm/NAME/NNNNNNNN" (the last kMaxAlarms);
// references are records of evaluations, "drift-reference/NAME/NNNNNNNN".
class DriftMonitor {
 public:
  static constexpr char kKind[] = "monitor";  // of specifications, as SpecStore has it
  static constexpr uint64_t kMaxAlarms = 100;

  DriftMonitor(Database& database, EmbedderRegistry& embedders, DriftMonitorOptions options = {});

  // The next version of a monitor's reference, of its collection as it is now; what drifted is
  // forgotten. NOT_FOUND. ABORTED: a look at it is under way.
  absl::StatusOr<DriftReference> MakeReference(const std::string& tenant, const std::string& name,
                                               const std::string& actor, const CancelToken& cancel);
  // Looks at all kinds now, at what has come since the reference, and does what is due.
  // FAILED_PRECONDITION: there is no reference yet.
  absl::StatusOr<DriftState> Check(const std::string& tenant, const std::string& name,
                                   const CancelToken& cancel);
  // What a server does now and then: looks, at all monitors of all tenants, at each kind for which it
  // is time and a whole window has come that no look has seen.
  void LookAtDue(const CancelToken& cancel, const std::function<void(const std::string&)>& warn);
  // And beside it, since that may take long: does what alarms have started, of all monitors.
  void TakeDue(const CancelToken& cancel,
               const std::function<void(const std::string&)>& warn) const;

  absl::StatusOr<DriftState> ReadState(const std::string& tenant, const std::string& name) const;
  // Newest first.
  absl::StatusOr<std::vector<DriftAlarm>> Alarms(const std::string& tenant,
                                                 const std::string& name) const;

 private:
  absl::StatusOr<DriftState> LookNow(const std::string& tenant, const std::string& name,
                                     bool only_due, const CancelToken& cancel);
  absl::Status ForgetMeanwhile(const std::string& tenant, Collection& collection,
                               DriftReference* reference) const;
  // `alarm`: where and of what the looks are.
  absl::Status Record(const std::string& tenant, const DriftSpec& spec,
                      const std::vector<KindLook>& looks, DriftAlarm alarm,
                      DriftState* state) const;
  absl::Status Postpone(const std::string& tenant, const std::string& name) const;
  std::vector<DriftAction> PlanActions(const DriftSpec& spec, DriftState* state) const;
  absl::Status TakeActions(const std::string& tenant, const std::string& name,
                           const CancelToken& cancel) const;
  absl::Status KeepAlarm(const std::string& tenant, const std::string& name,
                         const DriftAlarm& alarm, const CancelToken& cancel) const;
  // Calls `visit` with each monitor of each tenant, and warns of what it returns.
  void ForEach(const CancelToken& cancel, const std::function<void(const std::string&)>& warn,
               const std::function<absl::Status(const std::string& tenant, const std::string& name)>&
                   visit) const;

  Database& database_;
  EmbedderRegistry& embedders_;
  const DriftMonitorOptions options_;
};

// How many monitors of all tenants see each kind drift now. Those whose state cannot be read are
// left out.
std::map<DriftKind, uint64_t> CountDrifting(Store& store, const Clock& clock);

}  // namespace vouch
