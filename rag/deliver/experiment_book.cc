#include "rag/deliver/experiment_book.h"

#include <algorithm>
#include <utility>

#include "rag/answer_id.h"
#include "rag/deliver/experiment_records.h"
#include "storage/concat.h"

namespace vouch {
namespace {

absl::Status WithName(std::string_view name, const absl::Status& status) {
  return absl::Status(status.code(), Concat("experiment ", name, ": ", status.message()));
}

}  // namespace

absl::StatusOr<ExperimentEntry> ExperimentBook::EntryOf(std::string_view tenant,
                                                        SpecVersion version) const {
  ExperimentEntry entry;
  absl::StatusOr<ExperimentSpec> spec = ExperimentFromJson(version.canonical);
  if (!spec.ok()) return WithName(version.name, spec.status());
  entry.spec = *std::move(spec);
  entry.version = std::move(version);
  const auto record =
      Journal::Of(store_).GetJournalRecord(tenant, ExperimentStateName(entry.spec.name));
  if (!record.ok()) return record.status();
  if (!record->has_value()) return entry;
  absl::StatusOr<ExperimentState> state = ExperimentStateFromJson(**record);
  if (!state.ok()) return WithName(entry.spec.name, state.status());
  entry.state = *std::move(state);
  return entry;
}

absl::StatusOr<ExperimentEntry> ExperimentBook::Get(std::string_view tenant,
                                                    std::string_view name) const {
  absl::StatusOr<SpecVersion> version = specs_.Get(tenant, name);
  if (!version.ok()) return version.status();
  return EntryOf(tenant, *std::move(version));
}

absl::StatusOr<std::vector<ExperimentEntry>> ExperimentBook::List(std::string_view tenant) const {
  absl::StatusOr<std::vector<SpecVersion>> versions = specs_.List(tenant);
  if (!versions.ok()) return versions.status();
  std::vector<ExperimentEntry> entries;
  for (SpecVersion& version : *versions) {
    absl::StatusOr<ExperimentEntry> entry = EntryOf(tenant, std::move(version));
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  return entries;
}

absl::StatusOr<std::vector<ExperimentEntry>> ExperimentBook::ListReadable(
    std::string_view tenant, const SpecStore::Unread& unread) const {
  absl::StatusOr<std::vector<SpecVersion>> versions = specs_.ListReadable(tenant, unread);
  if (!versions.ok()) return versions.status();
  std::vector<ExperimentEntry> entries;
  for (SpecVersion& version : *versions) {
    const std::string name = version.name;
    absl::StatusOr<ExperimentEntry> entry = EntryOf(tenant, std::move(version));
    if (entry.ok()) {
      entries.push_back(*std::move(entry));
    } else {
      unread(name, entry.status());
    }
  }
  return entries;
}

absl::StatusOr<ExperimentBook::Versions> ExperimentBook::Resolve(std::string_view tenant,
                                                                 const ExperimentSpec& spec) const {
  Versions versions;
  std::string collection;
  for (const auto& [name, number] : {std::pair{&spec.champion, &versions.champion},
                                     std::pair{&spec.challenger, &versions.challenger}}) {
    const auto found = pipelines_.Get(tenant, Concat(spec.pipeline, "@", *name));
    if (!found.ok()) return found.status();
    *number = (*found)->number;
    if (collection.empty()) collection = (*found)->spec.collection;
    if (spec.mode != ExperimentMode::kInterleave || collection == (*found)->spec.collection) continue;
    return absl::FailedPreconditionError(
        Concat("hits of two collections, ", collection, " and ", (*found)->spec.collection,
               ", cannot be interleaved"));
  }
  return versions;
}

absl::Status ExperimentBook::CheckFree(std::string_view tenant, const ExperimentSpec& spec) const {
  const absl::StatusOr<std::vector<ExperimentEntry>> entries = List(tenant);
  if (!entries.ok()) return entries.status();
  for (const ExperimentEntry& entry : *entries) {
    if (entry.spec.name == spec.name || entry.spec.pipeline != spec.pipeline ||
        entry.spec.champion != spec.champion || entry.state.run == 0 ||
        entry.state.version != entry.version.number || !IsActive(entry.state.status)) {
      continue;
    }
    return absl::FailedPreconditionError(
        Concat("experiment ", entry.spec.name, " has the questions to ", spec.pipeline, "@",
               spec.champion, "; stop it first: vouch experiment stop ", entry.spec.name));
  }
  return absl::OkStatus();
}

absl::Status ExperimentBook::Begin(std::string_view tenant, std::string_view actor,
                                   ExperimentEntry* entry) {
  const absl::StatusOr<Versions> versions = Resolve(tenant, entry->spec);
  if (!versions.ok()) return versions.status();
  if (absl::Status status = CheckFree(tenant, entry->spec); !status.ok()) return status;
  ExperimentState state = NewRun(entry->spec, entry->version.number, entry->state.run + 1);
  state.champion = versions->champion;
  state.challenger = versions->challenger;
  state.started_us = state.looked_us = clock_.NowMicros();
  const absl::Status scanned = store_.ScanAnswers(tenant, [&](std::string_view id, std::string_view) {
    state.cursor = std::string(id);
    return false;
  });
  if (!scanned.ok()) return scanned;
  JournalChange change;
  change.records.push_back({ExperimentStateName(entry->spec.name), ExperimentStateToJson(state)});
  change.entries.push_back(
      ExperimentDraft(entry->spec, state, "experiment.start", actor, state.started_us));
  const auto kept = Journal::Of(store_).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  entry->state = std::move(state);
  return absl::OkStatus();
}

absl::StatusOr<SpecStore::Applied> ExperimentBook::Apply(std::string_view tenant,
                                                         const ExperimentSpec& spec, bool dry_run,
                                                         std::string_view actor) {
  if (absl::Status status = CheckExperiment(spec); !status.ok()) return status;
  const std::lock_guard<std::mutex> lock(mu_);
  if (!dry_run) {
    // Before it is kept, so that what cannot start is refused.
    const absl::StatusOr<Versions> versions = Resolve(tenant, spec);
    if (!versions.ok()) return versions.status();
    absl::StatusOr<SpecStore::Applied> planned =
        specs_.Apply(tenant, spec.name, ExperimentToJson(spec), /*dry_run=*/true, actor);
    if (!planned.ok()) return planned.status();
    if (planned->changed) {
      if (absl::Status status = CheckFree(tenant, spec); !status.ok()) return status;
    }
  }
  absl::StatusOr<SpecStore::Applied> applied =
      specs_.Apply(tenant, spec.name, ExperimentToJson(spec), dry_run, actor);
  if (!applied.ok() || dry_run || !applied->changed) return applied;
  absl::StatusOr<ExperimentEntry> entry = EntryOf(tenant, applied->version);
  if (!entry.ok()) return entry.status();
  if (absl::Status status = Begin(tenant, actor, &*entry); !status.ok()) return status;
  return applied;
}

absl::StatusOr<ExperimentEntry> ExperimentBook::Start(std::string_view tenant,
                                                      const std::string& name,
                                                      std::string_view actor) {
  const std::lock_guard<std::mutex> lock(mu_);
  absl::StatusOr<ExperimentEntry> entry = Get(tenant, name);
  if (!entry.ok()) return entry;
  if (entry->state.run > 0 && entry->state.version == entry->version.number &&
      IsActive(entry->state.status)) {
    return absl::FailedPreconditionError(
        Concat("experiment ", name, " is ", ExperimentStatusName(entry->state.status), " already"));
  }
  if (absl::Status status = Begin(tenant, actor, &*entry); !status.ok()) return status;
  return entry;
}

absl::StatusOr<ExperimentEntry> ExperimentBook::Stop(std::string_view tenant,
                                                     const std::string& name,
                                                     const std::string& reason,
                                                     std::string_view actor) {
  if (reason.size() > Journal::kMaxReasonBytes) {
    return absl::InvalidArgumentError(Concat("the reason has ", reason.size(),
                                             " bytes; the limit is ", Journal::kMaxReasonBytes));
  }
  const std::lock_guard<std::mutex> lock(mu_);
  absl::StatusOr<ExperimentEntry> entry = Get(tenant, name);
  if (!entry.ok()) return entry;
  ExperimentState& state = entry->state;
  if (state.run == 0 || !IsActive(state.status)) {
    return absl::FailedPreconditionError(
        Concat("experiment ", name, " is not active: ",
               state.run == 0 ? "it has no run" : ExperimentStatusName(state.status)));
  }
  state.status = ExperimentStatus::kStopped;
  state.reason = reason;
  state.ended_us = clock_.NowMicros();
  JournalChange change;
  change.records.push_back({ExperimentStateName(name), ExperimentStateToJson(state)});
  change.entries.push_back(
      ExperimentDraft(entry->spec, state, "experiment.stop", actor, state.ended_us));
  const auto kept = Journal::Of(store_).Commit(tenant, change);
  if (!kept.ok()) return kept.status();
  return entry;
}

absl::Status ExperimentBook::Remove(std::string_view tenant, const std::string& name,
                                    std::string_view actor) {
  // Stopped first: what a kill leaves is a stopped one.
  const absl::StatusOr<ExperimentEntry> entry = Get(tenant, name);
  if (absl::IsDataLoss(entry.status()) || absl::IsFailedPrecondition(entry.status())) {
    if (absl::Status status = StopUnread(tenant, name, actor); !status.ok()) return status;
  } else {
    const absl::Status stopped = Stop(tenant, name, "removed", actor).status();
    if (!stopped.ok() && !absl::IsFailedPrecondition(stopped)) return stopped;
  }
  return specs_.Remove(tenant, name, actor);
}

absl::Status ExperimentBook::NotePromotion(std::string_view tenant, const std::string& name,
                                           uint64_t run, const std::string& says) {
  const std::lock_guard<std::mutex> lock(mu_);
  absl::StatusOr<ExperimentEntry> entry = Get(tenant, name);
  if (!entry.ok()) return entry.status();
  if (entry->state.run != run) return absl::OkStatus();
  entry->state.promotion = says;
  JournalChange change;
  change.records.push_back({ExperimentStateName(name), ExperimentStateToJson(entry->state)});
  return Journal::Of(store_).Commit(tenant, change).status();
}

absl::Status ExperimentBook::NoteError(std::string_view tenant, const ExperimentArm& arm) {
  ExperimentEvent event{.arm = arm, .error = true};
  JournalChange change;
  change.records.push_back(
      ExperimentEventRecord(event, MakeUuidV7(clock_.NowMicros(), RandomBytes())));
  return Journal::Of(store_).Commit(tenant, change).status();
}

std::optional<RecordChange> ExperimentBook::EventOf(const Feedback& feedback,
                                                    const ExperimentArm& arm) {
  if (!feedback.said.thumbs_up && !feedback.said.score) return std::nullopt;
  const ExperimentEvent event{
      .arm = arm, .thumbs_up = feedback.said.thumbs_up, .score = feedback.said.score};
  return ExperimentEventRecord(event, feedback.id);
}

}  // namespace vouch
