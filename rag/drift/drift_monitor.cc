#include "rag/drift/drift_monitor.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_format.h"
#include "rag/deliver/spec_store.h"
#include "rag/drift/drift_measure.h"
#include "rag/record_reader.h"
#include "storage/journal.h"

namespace vouch {
namespace {

constexpr char kActor[] = "default/system";
constexpr int64_t kMinute = 60'000'000;

std::string Dump(const RecordJson& json) {
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

std::string SubjectOf(std::string_view name) { return Concat("monitor/", name); }
std::string StateName(std::string_view name) { return Concat("drift-state/", name); }
std::string AlarmPrefix(std::string_view name) { return Concat("drift-alarm/", name, "/"); }
std::string AlarmName(std::string_view name, uint64_t number) {
  return Concat(AlarmPrefix(name), absl::StrFormat("%08u", number));
}

// Who looks at a monitor of a store.
class Busy {
 public:
  Busy(const Store& store, const std::string& tenant, const std::string& name)
      : key_(&store, tenant, name) {
    const std::lock_guard<std::mutex> lock(Lock());
    taken_ = All().insert(key_).second;
  }
  ~Busy() {
    if (!taken_) return;
    const std::lock_guard<std::mutex> lock(Lock());
    All().erase(key_);
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  bool taken() const { return taken_; }

 private:
  using Key = std::tuple<const Store*, std::string, std::string>;
  static std::mutex& Lock() {
    static auto& lock = *new std::mutex();
    return lock;
  }
  static std::set<Key>& All() {
    static auto& all = *new std::set<Key>();
    return all;
  }

  const Key key_;
  bool taken_ = false;
};

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

std::string Minutes(int64_t us) {
  const int64_t minutes = (us + kMinute - 1) / kMinute;
  return minutes >= 120 ? Concat((minutes + 59) / 60, " h") : Concat(minutes, " min");
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
      Journal::Of(database_.store()).GetJournalRecord(tenant, StateName(name));
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
      const auto bytes = journal.GetJournalRecord(tenant, StateName(version.name));
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
          .ScanJournalRecords(tenant, AlarmPrefix(name), [&](std::string_view, std::string_view bytes) {
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
  const Busy busy(database_.store(), tenant, name);
  if (!busy.taken()) return UnderWay(name);
  const auto version = SpecStore(database_.store(), database_.clock(), kKind).Get(tenant, name);
  if (!version.ok()) return version.status();
  const absl::StatusOr<DriftSpec> spec = DriftFromJson(version->canonical);
  if (!spec.ok()) return spec.status();
  absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  const auto measure = DriftMeasure::Open(database_, embedders_, *spec, tenant, cancel);
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
  state->answers_until_us = reference->answers_until_us;
  state->rows_until = reference->rows_end;
  JournalChange change;
  change.evaluations.push_back({DriftReferenceName(name, reference->number), encoded});
  change.records.push_back({StateName(name), EncodeDriftState(*state)});
  change.entries.push_back({.time_us = now_us,
                            .actor = actor,
                            .action = "monitor.reference",
                            .subject = SubjectOf(name),
                            .before = Dump({{"drifting", NamesOf(drifted)}}),
                            .after = Dump({{"reference", reference->number},
                                           {"hash", ContentHash(encoded)},
                                           {"collection", reference->collection},
                                           {"version", reference->version},
                                           {"embedder", reference->embedder},
                                           {"questions", reference->answers.size()},
                                           {"documents", reference->rows.size()},
                                           {"sentinels", reference->sentinels.size()}})});
  const auto kept = Journal::Of(database_.store()).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  return reference;
}

absl::StatusOr<DriftState> DriftMonitor::Check(const std::string& tenant, const std::string& name,
                                               const CancelToken& cancel) {
  return LookNow(tenant, name, /*only_due=*/false, cancel);
}

absl::StatusOr<DriftState> DriftMonitor::LookNow(const std::string& tenant,
                                                 const std::string& name, bool only_due,
                                                 const CancelToken& cancel) {
  const Busy busy(database_.store(), tenant, name);
  if (!busy.taken()) return UnderWay(name);
  const auto version = SpecStore(database_.store(), database_.clock(), kKind).Get(tenant, name);
  if (!version.ok()) return version.status();
  const absl::StatusOr<DriftSpec> spec = DriftFromJson(version->canonical);
  if (!spec.ok()) return spec.status();
  absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  const int64_t now_us = database_.clock().NowMicros();
  // A clock that went back makes it time, since nobody knows when it was.
  const bool time = now_us < state->looked_us ||
                    now_us - state->looked_us >= spec->every_minutes * kMinute;
  if (only_due && (state->reference == 0 || !time)) {
    if (state->due_alarm == 0) return state;
    absl::Status status = TakeActions(tenant, *spec, &*state, cancel);
    if (!status.ok()) return status;
    return state;
  }
  if (state->reference == 0) {
    return absl::FailedPreconditionError(
        Concat("monitor ", name, " has no reference yet: vouch drift reference ", name));
  }
  const absl::StatusOr<DriftReference> reference =
      ReadDriftReference(EvaluationRecords::Of(database_.store()), tenant, name, state->reference);
  if (!reference.ok()) return reference.status();
  const auto measure = DriftMeasure::Open(database_, embedders_, *spec, tenant, cancel);
  if (!measure.ok()) return measure.status();
  DriftSince since;
  if (only_due) since = {state->answers_until_us, state->rows_until};
  std::vector<KindLook> looks;
  for (DriftKind kind : spec->watch) {
    if (kind == DriftKind::kQueries) {
      const auto fresh = measure->QuestionsSince(state->answers_until_us);
      if (!fresh.ok()) return fresh.status();
      if (only_due && fresh->size() < spec->window) continue;
      if (!fresh->empty()) state->answers_until_us = fresh->front().time_us;
    }
    if (only_due && kind == DriftKind::kCorpus &&
        measure->rows_end() < std::max(state->rows_until, reference->rows_end) + spec->window)
      continue;
    absl::StatusOr<KindLook> look = measure->Look(kind, *reference, since);
    if (!look.ok()) return look.status();
    look->time_us = now_us;
    if (kind == DriftKind::kCorpus) state->rows_until = measure->rows_end();
    looks.push_back(*std::move(look));
  }
  state->looked_us = now_us;
  absl::Status status = Record(tenant, *spec, looks,
                               {.time_us = now_us,
                                .monitor_version = version->number,
                                .reference = state->reference,
                                .collection = measure->collection(),
                                .field = measure->field(),
                                .version = measure->version().value},
                               &*state);
  if (status.ok() && state->due_alarm != 0) status = TakeActions(tenant, *spec, &*state, cancel);
  if (!status.ok()) return status;
  return state;
}

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
                              .before = Dump({{"drifting", NamesOf(before)}}),
                              .after = Dump({{"drifting", NamesOf(state->drifting)}})});
  }
  if (!alarm.kinds.empty()) {
    alarm.number = ++state->alarms;
    alarm.actions = PlanActions(spec, state);
    if (!alarm.actions.empty() && alarm.actions[0].state == "due") state->due_alarm = alarm.number;
    const std::string encoded = EncodeDriftAlarm(alarm);
    change.records.push_back({AlarmName(spec.name, alarm.number), encoded});
    if (alarm.number > kMaxAlarms)
      change.records.push_back({AlarmName(spec.name, alarm.number - kMaxAlarms), std::nullopt});
    change.entries.push_back({.time_us = now_us,
                              .actor = kActor,
                              .action = "drift.begin",
                              .subject = SubjectOf(spec.name),
                              .before = Dump({{"drifting", NamesOf(before)}}),
                              .after = encoded});
  }
  change.records.push_back({StateName(spec.name), EncodeDriftState(*state)});
  const auto kept = Journal::Of(database_.store()).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  for (const KindLook& look : looks) {
    const bool began = Has(found, look.kind) && !Has(before, look.kind);
    if (options_.on_look) options_.on_look(look, began);
  }
  return absl::OkStatus();
}

absl::Status DriftMonitor::TakeActions(const std::string& tenant, const DriftSpec& spec,
                                       DriftState* state, const CancelToken& cancel) const {
  Journal& journal = Journal::Of(database_.store());
  const std::string record = AlarmName(spec.name, state->due_alarm);
  const auto bytes = journal.GetJournalRecord(tenant, record);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<DriftAlarm> alarm = absl::NotFoundError("");
  if (bytes->has_value()) alarm = DecodeDriftAlarm(**bytes);
  if (!alarm.ok() && bytes->has_value()) return alarm.status();
  JournalChange change;
  if (alarm.ok()) {
    for (DriftAction& action : alarm->actions) {
      if (action.state != "due") continue;
      const DriftStarters::Starter& starter =
          action.what == "evaluate" ? options_.starters.evaluate : options_.starters.reembed;
      const absl::StatusOr<std::string> done =
          starter ? starter(tenant, spec, *alarm, cancel)
                  : absl::UnimplementedError("this process starts nothing");
      // Ended in the middle: it stays due, and the next look goes on with it.
      if (absl::Status stopped = cancel.Check(); !done.ok() && !stopped.ok()) return stopped;
      action.state = done.ok() ? "done" : "failed";
      action.says = done.ok() ? *done : ToStd(done.status().message());
    }
    change.records.push_back({record, EncodeDriftAlarm(*alarm)});
  }
  state->due_alarm = 0;
  change.records.push_back({StateName(spec.name), EncodeDriftState(*state)});
  return journal.Commit(tenant, change).status();
}

// The next look is due as after one that was made.
absl::Status DriftMonitor::Postpone(const std::string& tenant, const std::string& name) const {
  const Busy busy(database_.store(), tenant, name);
  if (!busy.taken()) return UnderWay(name);
  absl::StatusOr<DriftState> state = ReadState(tenant, name);
  if (!state.ok()) return state.status();
  state->looked_us = database_.clock().NowMicros();
  JournalChange change;
  change.records.push_back({StateName(name), EncodeDriftState(*state)});
  return Journal::Of(database_.store()).Commit(tenant, change).status();
}

void DriftMonitor::LookAtDue(const CancelToken& cancel,
                             const std::function<void(const std::string&)>& warn) {
  for (const std::string& tenant : Journal::Of(database_.store()).Tenants()) {
    const auto versions = SpecStore(database_.store(), database_.clock(), kKind).List(tenant);
    if (!versions.ok()) {
      warn(Concat("drift monitors: ", ToStd(versions.status().message())));
      continue;
    }
    for (const SpecVersion& version : *versions) {
      if (!cancel.Check().ok()) return;
      const auto looked = LookNow(tenant, version.name, /*only_due=*/true, cancel);
      if (looked.ok() || absl::IsAborted(looked.status()) || absl::IsCancelled(looked.status()))
        continue;
      warn(Concat("drift monitor ", version.name, ": ", ToStd(looked.status().message())));
      Postpone(tenant, version.name).IgnoreError();  // else it is told again at the next turn
    }
  }
}

}  // namespace vouch
