#include "rag/retention/retention.h"

#include <algorithm>
#include <set>
#include <utility>

namespace vouch {
namespace {

// What a run at this moment would do.
struct RetentionPlan {
  RetentionReport report = {};
  LetGoRequest request = {};
};

uint64_t CountReadable(Version latest, Version horizon, size_t kept) {
  return latest.value - std::max<uint64_t>(1, horizon.value) + 1 + kept;
}

absl::StatusOr<RetentionPlan> PlanRun(Database& database, Collection& collection) {
  const Store& store = database.store();
  const CollectionInfo& info = collection.info();
  const int64_t now_us = database.clock().NowMicros();
  RetentionPlan plan;
  RetentionReport& report = plan.report;
  report.policy = info.schema.retention;
  // The latest version first: what an answer reads after the pins were looked up is not before it.
  const absl::StatusOr<Version> latest = collection.Resolve(ReadAt{});
  if (!latest.ok()) return latest.status();
  report.latest = *latest;
  absl::StatusOr<RetentionState> state = collection.Retention();
  if (!state.ok()) return state.status();
  report.state = *std::move(state);
  const absl::StatusOr<Version> wanted = HorizonOf(store, info.id, report.policy, *latest, now_us);
  if (!wanted.ok()) return wanted.status();
  absl::StatusOr<std::vector<VersionPin>> pins = CollectPins(database, info, report.policy, now_us);
  if (!pins.ok()) return pins.status();
  report.due = std::max(*wanted, report.state.horizon);
  std::set<Version> kept;
  for (VersionPin& pin : *pins) {
    if (pin.version >= std::max(*wanted, report.state.horizon)) continue;
    if (pin.and_later) report.due = std::max(report.state.horizon, std::min(report.due, pin.version));
    if (!report.state.IsReadable(pin.version)) continue;  // an answer that was pinned no more, say
    kept.insert(pin.version);
    report.pins.push_back(std::move(pin));
  }
  std::erase_if(kept, [&](Version version) { return version >= report.due || version == Version(0); });
  plan.request = {.horizon = report.due, .pinned = {kept.begin(), kept.end()}};
  report.versions_to_go = CountReadable(*latest, report.state.horizon, report.state.kept.size()) -
                          CountReadable(*latest, report.due, kept.size());
  if (report.versions_to_go == 0 && !report.state.pending) return plan;
  const absl::StatusOr<uint64_t> rows = collection.CountLetGo(plan.request);
  if (!rows.ok()) return rows.status();
  report.rows_to_go = *rows;
  return plan;
}

}  // namespace

absl::StatusOr<Version> HorizonOf(const Store& store, CollectionId collection, const RetentionPolicy& policy, Version latest,
                                  int64_t now_us) {
  if (policy.keeps_all()) return Version(0);
  Version horizon = latest;
  if (policy.versions > 0) {
    horizon = Version(latest.value > policy.versions ? latest.value - policy.versions + 1 : 0);
  }
  if (policy.history_us > 0) {
    const absl::StatusOr<Version> at = store.FindVersionAt(collection, now_us - policy.history_us);
    if (!at.ok()) return at.status();
    horizon = std::min(horizon, *at);
  }
  return horizon <= Version(1) ? Version(0) : horizon;
}

absl::StatusOr<RetentionReport> InspectRetention(Database& database, Collection& collection) {
  absl::StatusOr<RetentionPlan> plan = PlanRun(database, collection);
  if (!plan.ok()) return plan.status();
  return std::move(plan->report);
}

absl::StatusOr<RetentionReport> RunRetention(Database& database, Collection& collection, const Principal& actor,
                                             const CancelToken& cancel) {
  absl::StatusOr<RetentionPlan> plan = PlanRun(database, collection);
  if (!plan.ok()) return plan.status();
  plan->request.actor = actor;
  plan->request.cancel = cancel;
  const absl::StatusOr<LetGoResult> done = collection.LetGo(plan->request);
  if (!done.ok()) return done.status();
  absl::StatusOr<RetentionReport> report = InspectRetention(database, collection);
  if (report.ok()) report->rows_deleted = done->rows;
  return report;
}

}  // namespace vouch
