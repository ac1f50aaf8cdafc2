#include "rag/deliver/slo_monitor.h"

#include <vector>

#include "rag/deliver/promoter.h"
#include "rag/deliver/slo_status.h"
#include "rag/deliver/spec_store.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

constexpr char kSloActor[] = "default/system";

RecordJson AlarmToJson(const BurnAlarm& alarm) {
  return {{"action", alarm.rule.action == BurnAction::kPage ? "page" : "ticket"},
          {"at_burn", alarm.rule.burn},
          {"long_s", alarm.rule.long_s},
          {"short_s", alarm.rule.short_s},
          {"bad", alarm.long_window.bad},
          {"all", alarm.long_window.all},
          {"burn", alarm.state.burn},
          {"sure_burn", alarm.state.sure_burn}};
}

// Which rules fire, as text that is the same as long as they are: "14.4,6".
std::string Firing(const SloStatus& status) {
  std::string firing;
  for (const BurnAlarm& alarm : status.alarms) {
    if (alarm.state.fires) firing += Concat(firing.empty() ? "" : ",", alarm.rule.burn);
  }
  if (status.frozen) firing += Concat(firing.empty() ? "" : ",", "budget");
  return firing;
}

}  // namespace

absl::Status SloMonitor::Look(const CancelToken& cancel) {
  absl::Status first;
  for (const std::string& tenant : Journal::Of(store_).Tenants()) {
    if (absl::Status stopped = cancel.Check(); !stopped.ok()) return stopped;
    absl::Status status = LookAt(tenant, cancel);
    if (first.ok()) first = status;
  }
  return first;
}

absl::Status SloMonitor::LookAt(const std::string& tenant, const CancelToken& cancel) {
  const absl::StatusOr<std::vector<SpecVersion>> versions =
      SpecStore(store_, clock_, Promoter::kSloKind).List(tenant);
  if (!versions.ok()) return versions.status();
  if (versions->empty()) return absl::OkStatus();
  std::vector<SloSpec> specs;
  for (const SpecVersion& version : *versions) {
    absl::StatusOr<SloSpec> spec = SloFromJson(version.canonical);
    if (!spec.ok()) return spec.status();
    specs.push_back(*std::move(spec));
  }
  const absl::StatusOr<std::vector<SloStatus>> states =
      SloReader(store_, clock_).Read(tenant, specs, cancel);
  if (!states.ok()) return states.status();
  Journal& journal = Journal::Of(store_);
  for (const SloStatus& status : *states) {
    const std::string record = Concat("slo-state/", status.spec.name);
    const auto before = journal.GetJournalRecord(tenant, record);
    if (!before.ok()) return before.status();
    const std::string firing = Firing(status);
    if (before->value_or("") == firing) continue;
    RecordJson alarms = RecordJson::array();
    for (const BurnAlarm& alarm : status.alarms) {
      if (alarm.state.fires) alarms.push_back(AlarmToJson(alarm));
    }
    JournalChange change;
    change.records.push_back({record, firing});
    change.entries.push_back(
        {.time_us = clock_.NowMicros(),
         .actor = kSloActor,
         .action = firing.empty() ? "slo_burn.end" : "slo_burn.begin",
         .subject = Concat("slo/", status.spec.name),
         .before = DumpRecord({{"fires", before->value_or("")}}),
         .after = DumpRecord({{"fires", firing},
                              {"pipeline", Concat(status.spec.pipeline, "@", status.spec.alias)},
                              {"budget_spent", status.budget_spent},
                              {"frozen", status.frozen},
                              {"alarms", std::move(alarms)}})});
    const auto kept = journal.Commit(tenant, change);
    if (!kept.ok()) return kept.status();
  }
  return absl::OkStatus();
}

}  // namespace vouch
