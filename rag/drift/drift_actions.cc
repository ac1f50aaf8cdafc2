// What alarms start: planned with the alarm, run apart from looks.
#include <utility>

#include "rag/deliver/spec_store.h"
#include "rag/drift/drift_monitor.h"
#include "rag/drift/monitor_busy.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

constexpr int64_t kMinute = 60'000'000;

std::string Minutes(int64_t us) {
  const int64_t minutes = (us + kMinute - 1) / kMinute;
  return minutes >= 120 ? Concat((minutes + 59) / 60, " h") : Concat(minutes, " min");
}

bool IsDue(const DriftAlarm& alarm) {
  for (const DriftAction& action : alarm.actions) {
    if (action.state == "due") return true;
  }
  return false;
}

}  // namespace

// Whether something is started for an alarm of now, and if so the mark of it.
std::vector<DriftAction> DriftMonitor::PlanActions(const DriftSpec& spec, DriftState* state) const {
  std::vector<DriftAction> actions;
  if (!spec.evaluate_pipeline.empty()) actions.push_back({.what = "evaluate", .state = "due"});
  if (!spec.reembed_with.empty()) actions.push_back({.what = "reembed", .state = "due"});
  if (actions.empty()) return actions;
  const SteadyTime steady = options_.steady();
  const int64_t now_us = database_.clock().NowMicros();
  const int64_t left =
      state->has_started
          ? CoolLeft(state->started, steady, now_us, spec.cool_down_minutes * kMinute)
          : 0;
  if (left == 0 && state->due_alarm == 0) {
    state->started = MarkNow(steady, now_us);
    state->has_started = true;
    return actions;
  }
  for (DriftAction& action : actions) {
    action.state = "held back";
    action.says = left > 0 ? Concat("the cool-down lasts ", Minutes(left), " more")
                           : Concat("what alarm ", state->due_alarm, " started is not done yet");
  }
  return actions;
}

absl::Status DriftMonitor::TakeActions(const std::string& tenant, const std::string& name,
                                       const CancelToken& cancel) const {
  const MonitorBusy acts(database_.store(), tenant, name, MonitorBusy::With::kActions);
  if (!acts.taken()) return absl::OkStatus();  // whoever is at it does all of them
  const absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  if (state->due_alarm == 0) return absl::OkStatus();
  const auto version = SpecStore(database_.store(), database_.clock(), kKind).Get(tenant, name);
  if (!version.ok()) return version.status();
  const absl::StatusOr<DriftSpec> spec = DriftFromJson(version->canonical);
  if (!spec.ok()) return spec.status();
  const auto bytes = Journal::Of(database_.store())
                         .GetJournalRecord(tenant, DriftAlarmName(name, state->due_alarm));
  if (!bytes.ok()) return bytes.status();
  DriftAlarm alarm{.number = state->due_alarm};  // one that is gone has nothing to start
  if (bytes->has_value()) {
    absl::StatusOr<DriftAlarm> decoded = DecodeDriftAlarm(**bytes);
    if (!decoded.ok()) return decoded.status();
    alarm = *std::move(decoded);
  }
  // Only who is at the actions changes the alarm, so that this copy stays what is kept.
  for (DriftAction& action : alarm.actions) {
    if (action.state != "due") continue;
    const DriftStarters::Starter& starter =
        action.what == "evaluate" ? options_.starters.evaluate : options_.starters.reembed;
    const std::function<absl::Status(const std::string&)> begun = [&](const std::string& id) {
      action.id = id;
      return KeepAlarm(tenant, name, alarm, cancel);
    };
    const absl::StatusOr<std::string> done =
        starter ? starter({.tenant = tenant,
                           .spec = *spec,
                           .alarm = alarm,
                           .action = action,
                           .begun = begun,
                           .cancel = cancel})
                : absl::UnimplementedError("this process starts nothing");
    // Ended in the middle: it stays due, and the next turn goes on with it.
    if (absl::Status stopped = cancel.Check(); !done.ok() && !stopped.ok()) return stopped;
    action.state = done.ok() ? "done" : "failed";
    action.says = done.ok() ? *done : ToStd(done.status().message());
    if (absl::Status kept = KeepAlarm(tenant, name, alarm, cancel); !kept.ok()) return kept;
  }
  return alarm.actions.empty() ? KeepAlarm(tenant, name, alarm, cancel) : absl::OkStatus();
}

// The alarm as its actions stand; once none is due any more the monitor may start others.
absl::Status DriftMonitor::KeepAlarm(const std::string& tenant, const std::string& name,
                                     const DriftAlarm& alarm, const CancelToken& cancel) const {
  MonitorBusy busy(database_.store(), tenant, name, MonitorBusy::With::kState);
  if (absl::Status status = busy.Wait(cancel); !status.ok()) return status;
  Journal& journal = Journal::Of(database_.store());
  const std::string record = DriftAlarmName(name, alarm.number);
  const auto there = journal.GetJournalRecord(tenant, record);
  if (!there.ok()) return there.status();
  absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  JournalChange change;
  if (there->has_value()) change.records.push_back({record, EncodeDriftAlarm(alarm)});
  if (!IsDue(alarm) && state->due_alarm == alarm.number) {
    state->due_alarm = 0;
    change.records.push_back({DriftStateName(name), EncodeDriftState(*state)});
  }
  return change.records.empty() ? absl::OkStatus() : journal.Commit(tenant, change).status();
}

void DriftMonitor::TakeDue(const CancelToken& cancel,
                           const std::function<void(const std::string&)>& warn) const {
  ForEach(cancel, warn, [&](const std::string& tenant, const std::string& name) {
    return TakeActions(tenant, name, cancel);
  });
}

}  // namespace vouch
