#include "rag/drift/drift_monitor.h"

#include <algorithm>
#include <utility>

#include "rag/deliver/spec_store.h"
#include "rag/drift/drift_measure.h"
#include "rag/drift/monitor_busy.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

constexpr char kActor[] = "default/system";
constexpr int64_t kMinuteUs = 60'000'000;

std::string SubjectOf(std::string_view name) { return Concat("monitor/", name); }
absl::Status UnderWay(std::string_view name) {
  return absl::AbortedError(Concat("a look at monitor ", name, " is under way; try again"));
}

std::vector<DriftKind> KindsOf(const std::vector<KindLook>& looks, DriftVerdict verdict) {
  std::vector<DriftKind> kinds;
  for (const KindLook& look : looks) {
    if (look.verdict == verdict) kinds.push_back(look.kind);
  }
  return kinds;
}

bool Has(const std::vector<DriftKind>& kinds, DriftKind kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

RecordJson NamesOf(const std::vector<DriftKind>& kinds) {
  RecordJson names = RecordJson::array();
  for (DriftKind kind : kinds) names.push_back(DriftKindName(kind));
  return names;
}

void Merge(const std::vector<KindLook>& looks, std::vector<KindLook>* kinds) {
  for (const KindLook& look : looks) {
    const auto there = std::find_if(kinds->begin(), kinds->end(),
                                    [&](const KindLook& old) { return old.kind == look.kind; });
    if (there != kinds->end()) {
      *there = look;
    } else {
      kinds->push_back(look);
    }
  }
  std::sort(kinds->begin(), kinds->end(),
            [](const KindLook& a, const KindLook& b) { return a.kind < b.kind; });
}

}  // namespace

DriftMonitor::DriftMonitor(Database& database, EmbedderRegistry& embedders,
                           DriftMonitorOptions options)
    : database_(database), embedders_(embedders), options_(std::move(options)) {}

absl::StatusOr<DriftState> DriftMonitor::ReadState(const std::string& tenant,
                                                   const std::string& name) const {
  const auto bytes =
      Journal::Of(database_.store()).GetJournalRecord(tenant, DriftStateName(name));
  if (!bytes.ok()) return bytes.status();
  return bytes->has_value() ? DecodeDriftState(**bytes) : DriftState();
}

std::map<DriftKind, uint64_t> CountDrifting(Store& store, const Clock& clock) {
  std::map<DriftKind, uint64_t> counts = {{DriftKind::kQueries, 0},
                                          {DriftKind::kCorpus, 0},
                                          {DriftKind::kEmbedder, 0},
                                          {DriftKind::kIndex, 0}};
  const Journal& journal = Journal::Of(store);
  for (const std::string& tenant : journal.Tenants()) {
    const auto versions = SpecStore(store, clock, DriftMonitor::kKind).List(tenant);
    if (!versions.ok()) continue;
    for (const SpecVersion& version : *versions) {
      const auto bytes = journal.GetJournalRecord(tenant, DriftStateName(version.name));
      if (!bytes.ok() || !bytes->has_value()) continue;
      const absl::StatusOr<DriftState> state = DecodeDriftState(**bytes);
      if (!state.ok()) continue;
      for (DriftKind kind : state->drifting) ++counts[kind];
    }
  }
  return counts;
}

absl::StatusOr<std::vector<DriftAlarm>> DriftMonitor::Alarms(const std::string& tenant,
                                                             const std::string& name) const {
  std::vector<DriftAlarm> alarms;
  absl::Status damaged;
  const absl::Status scanned =
      Journal::Of(database_.store())
          .ScanJournalRecords(tenant, DriftAlarmPrefix(name), [&](std::string_view, std::string_view bytes) {
            absl::StatusOr<DriftAlarm> alarm = DecodeDriftAlarm(bytes);
            if (!alarm.ok()) {
              damaged = alarm.status();
              return false;
            }
            alarms.push_back(*std::move(alarm));
            return true;
          });
  if (!damaged.ok()) return damaged;
  if (!scanned.ok()) return scanned;
  std::reverse(alarms.begin(), alarms.end());
  return alarms;
}

absl::StatusOr<DriftReference> DriftMonitor::MakeReference(const std::string& tenant,
                                                           const std::string& name,
                                                           const std::string& actor,
                                                           const CancelToken& cancel) {
  const MonitorBusy busy(database_.store(), tenant, name, MonitorBusy::With::kState);
  if (!busy.taken()) return UnderWay(name);
  const auto version = SpecStore(database_.store(), database_.clock(), kKind).Get(tenant, name);
  if (!version.ok()) return version.status();
  const absl::StatusOr<DriftSpec> spec = DriftFromJson(version->canonical);
  if (!spec.ok()) return spec.status();
  absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  const auto measure = DriftMeasure::Open(
      database_, embedders_, *spec,
      {.tenant = tenant, .max_scanned_answers = options_.max_scanned_answers, .cancel = cancel});
  if (!measure.ok()) return measure.status();
  absl::StatusOr<DriftReference> reference = measure->MakeReference();
  if (!reference.ok()) return reference.status();
  const int64_t now_us = database_.clock().NowMicros();
  reference->number = state->reference + 1;
  reference->created_us = now_us;
  const std::string encoded = EncodeDriftReference(*reference);
  const std::vector<DriftKind> drifted = std::exchange(state->drifting, {});
  state->reference = reference->number;
  state->kinds.clear();
  state->answers_until = state->index_until = reference->last_answer();
  state->rows_until = reference->rows_end;
  JournalChange change;
  change.evaluations.push_back({DriftReferenceName(name, reference->number), encoded});
  change.records.push_back({DriftStateName(name), EncodeDriftState(*state)});
  change.entries.push_back({.time_us = now_us,
                            .actor = actor,
                            .action = "monitor.reference",
                            .subject = SubjectOf(name),
                            .before = DumpRecord({{"drifting", NamesOf(drifted)}}),
                            .after = DumpRecord({{"reference", reference->number},
                                                 {"hash", ContentHash(encoded)},
                                                 {"collection", reference->collection},
                                                 {"version", reference->version},
                                                 {"embedder", reference->embedder},
                                                 {"questions", reference->answers.size()},
                                                 {"documents", reference->rows.size()},
                                                 {"sentinels", reference->sentinels.size()}})});
  const auto kept = Journal::Of(database_.store()).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  absl::Status forgotten = ForgetMeanwhile(tenant, measure->opened(), &*reference);
  if (!forgotten.ok()) return forgotten;
  return reference;
}

// A document that was forgotten after its row was read: `forget` erases rows first and then looks
// through references, so that either it has found this one or its rows are found here.
absl::Status DriftMonitor::ForgetMeanwhile(const std::string& tenant, Collection& collection,
                                           DriftReference* reference) const {
  const absl::StatusOr<std::vector<uint64_t>> erased = ErasedRows(collection, reference->rows);
  if (!erased.ok()) return erased.status();
  if (erased->empty()) return absl::OkStatus();
  EvaluationRecords& records = EvaluationRecords::Of(database_.store());
  const absl::StatusOr<uint64_t> gone = ForgetInReferences(
      records, tenant,
      {.collection = reference->collection, .rows = {erased->begin(), erased->end()}},
      /*change=*/true);
  if (!gone.ok()) return gone.status();
  absl::StatusOr<DriftReference> left =
      ReadDriftReference(records, tenant, reference->monitor, reference->number);
  if (!left.ok()) return left.status();
  *reference = *std::move(left);
  return absl::OkStatus();
}

absl::StatusOr<DriftState> DriftMonitor::Check(const std::string& tenant, const std::string& name,
                                               const CancelToken& cancel) {
  absl::StatusOr<DriftState> looked = LookNow(tenant, name, /*only_due=*/false, cancel);
  if (!looked.ok() || looked->due_alarm == 0) return looked;
  if (absl::Status status = TakeActions(tenant, name, cancel); !status.ok()) return status;
  return ReadState(tenant, name);
}

absl::StatusOr<DriftState> DriftMonitor::LookNow(const std::string& tenant,
                                                 const std::string& name, bool only_due,
                                                 const CancelToken& cancel) {
  const MonitorBusy busy(database_.store(), tenant, name, MonitorBusy::With::kState);
  if (!busy.taken()) return UnderWay(name);
  const auto version = SpecStore(database_.store(), database_.clock(), kKind).Get(tenant, name);
  if (!version.ok()) return version.status();
  const absl::StatusOr<DriftSpec> spec = DriftFromJson(version->canonical);
  if (!spec.ok()) return spec.status();
  absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  const int64_t now_us = database_.clock().NowMicros();
  // A clock that went back makes it time, since nobody knows when it was.
  const bool time =
      now_us < state->turn_us || now_us - state->turn_us >= spec->every_minutes * kMinuteUs;
  if (only_due && (state->reference == 0 || !time)) return state;
  if (state->reference == 0) {
    return absl::FailedPreconditionError(
        Concat("monitor ", name, " has no reference yet: vouch drift reference ", name));
  }
  const absl::StatusOr<DriftReference> reference =
      ReadDriftReference(EvaluationRecords::Of(database_.store()), tenant, name, state->reference);
  if (!reference.ok()) return reference.status();
  const auto measure = DriftMeasure::Open(
      database_, embedders_, *spec,
      {.tenant = tenant, .max_scanned_answers = options_.max_scanned_answers, .cancel = cancel});
  if (!measure.ok()) return measure.status();
  DriftSince since;
  if (only_due) {
    since = {.answer = state->answers_until,
             .index_answer = state->index_until,
             .row = state->rows_until,
             .whole = true};
  }
  std::vector<KindLook> looks;
  for (DriftKind kind : spec->watch) {
    absl::StatusOr<DriftLooked> looked = measure->Look(kind, *reference, since);
    if (!looked.ok()) return looked.status();
    if (looked->waits) continue;
    looked->look.time_us = now_us;
    looks.push_back(std::move(looked->look));
    if (!looked->used) continue;
    if (kind == DriftKind::kQueries) state->answers_until = looked->newest;
    if (kind == DriftKind::kIndex) state->index_until = looked->newest;
    if (kind == DriftKind::kCorpus) state->rows_until = measure->rows_end();
  }
  state->turn_us = now_us;
  if (!looks.empty()) state->looked_us = now_us;
  absl::Status status = Record(tenant, *spec, looks,
                               {.time_us = now_us,
                                .monitor_version = version->number,
                                .reference = state->reference,
                                .collection = measure->collection(),
                                .field = measure->field(),
                                .version = measure->version().value},
                               &*state);
  if (!status.ok()) return status;
  return state;
}

absl::Status DriftMonitor::Record(const std::string& tenant, const DriftSpec& spec,
                                  const std::vector<KindLook>& looks, DriftAlarm alarm,
                                  DriftState* state) const {
  const int64_t now_us = alarm.time_us;
  if (state->has_started) {
    if (const auto carried = Carry(state->started, options_.steady(), now_us))
      state->started = *carried;
  }
  Merge(looks, &state->kinds);
  std::erase_if(state->kinds, [&](const KindLook& look) { return !spec.Watches(look.kind); });
  const std::vector<DriftKind> before = state->drifting;
  const std::vector<DriftKind> found = KindsOf(looks, DriftVerdict::kDrift);
  const std::vector<DriftKind> steady = KindsOf(looks, DriftVerdict::kSteady);
  std::erase_if(state->drifting,
                [&](DriftKind kind) { return Has(steady, kind) || !spec.Watches(kind); });
  const bool ended = state->drifting.size() < before.size();
  for (const KindLook& look : looks) {
    if (!Has(found, look.kind) || Has(before, look.kind)) continue;
    alarm.kinds.push_back(look);
    state->drifting.push_back(look.kind);
  }
  std::sort(state->drifting.begin(), state->drifting.end());
  if (!looks.empty()) ++state->looks;
  JournalChange change;
  if (ended) {
    change.entries.push_back({.time_us = now_us,
                              .actor = kActor,
                              .action = "drift.end",
                              .subject = SubjectOf(spec.name),
                              .before = DumpRecord({{"drifting", NamesOf(before)}}),
                              .after = DumpRecord({{"drifting", NamesOf(state->drifting)}})});
  }
  if (!alarm.kinds.empty()) {
    alarm.number = ++state->alarms;
    alarm.actions = PlanActions(spec, state);
    if (!alarm.actions.empty() && alarm.actions[0].state == "due") state->due_alarm = alarm.number;
    const std::string encoded = EncodeDriftAlarm(alarm);
    change.records.push_back({DriftAlarmName(spec.name, alarm.number), encoded});
    if (alarm.number > kMaxAlarms)
      change.records.push_back({DriftAlarmName(spec.name, alarm.number - kMaxAlarms), std::nullopt});
    change.entries.push_back({.time_us = now_us,
                              .actor = kActor,
                              .action = "drift.begin",
                              .subject = SubjectOf(spec.name),
                              .before = DumpRecord({{"drifting", NamesOf(before)}}),
                              .after = encoded});
  }
  change.records.push_back({DriftStateName(spec.name), EncodeDriftState(*state)});
  const auto kept = Journal::Of(database_.store()).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  for (const KindLook& look : looks) {
    const bool began = Has(found, look.kind) && !Has(before, look.kind);
    if (options_.on_look) options_.on_look(look, began);
  }
  return absl::OkStatus();
}

// The next look is due as after one that was made.
absl::Status DriftMonitor::Postpone(const std::string& tenant, const std::string& name) const {
  const MonitorBusy busy(database_.store(), tenant, name, MonitorBusy::With::kState);
  if (!busy.taken()) return UnderWay(name);
  absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  state->turn_us = database_.clock().NowMicros();
  JournalChange change;
  change.records.push_back({DriftStateName(name), EncodeDriftState(*state)});
  return Journal::Of(database_.store()).Commit(tenant, change).status();
}

void DriftMonitor::ForEach(
    const CancelToken& cancel, const std::function<void(const std::string&)>& warn,
    const std::function<absl::Status(const std::string& tenant, const std::string& name)>& visit)
    const {
  for (const std::string& tenant : Journal::Of(database_.store()).Tenants()) {
    const auto versions = SpecStore(database_.store(), database_.clock(), kKind).List(tenant);
    if (!versions.ok()) {
      warn(Concat("drift monitors: ", ToStd(versions.status().message())));
      continue;
    }
    for (const SpecVersion& version : *versions) {
      if (!cancel.Check().ok()) return;
      const absl::Status status = visit(tenant, version.name);
      if (status.ok() || absl::IsAborted(status) || absl::IsCancelled(status)) continue;
      warn(Concat("drift monitor ", version.name, ": ", ToStd(status.message())));
    }
  }
}

void DriftMonitor::LookAtDue(const CancelToken& cancel,
                             const std::function<void(const std::string&)>& warn) {
  ForEach(cancel, warn, [&](const std::string& tenant, const std::string& name) {
    const absl::Status status = LookNow(tenant, name, /*only_due=*/true, cancel).status();
    // Else it is told again at the next turn.
    if (!status.ok() && !absl::IsAborted(status) && !absl::IsCancelled(status))
      Postpone(tenant, name).IgnoreError();
    return status;
  });
}

}  // namespace vouch
