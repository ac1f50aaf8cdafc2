#include "rag/migrate/migration.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>
#include <utility>

#include "rag/migrate/collection_copy.h"
#include "storage/concat.h"
#include "storage/fence.h"
#include "storage/store.h"

namespace vouch {
namespace {

// Times that writes may come between catching up and the switch.
constexpr int kFreeAttempts = 8;
constexpr int kMaxNames = 10'000;

// Keeps two calls from working on one collection. Its state in the store is safe against that, too: the second one's
// commits would be aborted; this says so at once.
class Running {
 public:
  static absl::StatusOr<std::unique_ptr<Running>> Begin(const Store& store, CollectionId collection,
                                                        const std::string& name) {
    const std::lock_guard<std::mutex> lock(Lock());
    const Key key{&store, collection.value};
    if (!Keys().insert(key).second) {
      return absl::FailedPreconditionError(
          Concat("a migration of collection ", name, " is under way"));
    }
    return std::unique_ptr<Running>(new Running(key));
  }
  ~Running() {
    const std::lock_guard<std::mutex> lock(Lock());
    Keys().erase(key_);
  }

 private:
  using Key = std::pair<const Store*, uint64_t>;
  explicit Running(Key key) : key_(key) {}
  static std::mutex& Lock() {
    static auto& lock = *new std::mutex();
    return lock;
  }
  static std::set<Key>& Keys() {
    static auto& keys = *new std::set<Key>();
    return keys;
  }
  const Key key_;
};

bool IsRolling(MigrationState state) {
  return state == MigrationState::kDone || state == MigrationState::kRollingBack;
}

// Sets or lifts a collection's fence, with other documents in the same commit.
absl::StatusOr<WriteResult> WriteFence(Collection& collection, std::optional<std::string> reason,
                                       std::vector<DocumentChange> documents,
                                       std::optional<Version> expected, const Principal& principal) {
  WriteRequest write;
  write.principal = principal;
  write.documents = std::move(documents);
  write.documents.push_back({.key = std::string(kFenceDocument), .value = std::move(reason)});
  write.expected_version = expected;
  return collection.Write(std::move(write));
}

absl::Status LiftFence(Collection& collection, const Principal& principal) {
  const auto fence = collection.store().GetDocument(collection.id(), kFenceDocument);
  if (!fence.ok() || !fence->has_value()) return fence.status();
  return WriteFence(collection, std::nullopt, {}, std::nullopt, principal).status();
}

// `to` has what `from` had at `version`: as many points, or it is not switched to.
absl::Status CheckComplete(Collection& from, Version version, const CollectionState& to,
                           const std::string& to_name) {
  const absl::StatusOr<CommitHeader> header = from.store().GetCommit(from.id(), version);
  if (!header.ok()) return header.status();
  if (header->live_rows == to.live_rows) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat("collection ", from.info().name, " has ", header->live_rows, " points and ", to_name,
             " has ", to.live_rows, ": someone else wrote there; cancel the migration"));
}

std::string Figure(double value) { return Concat(std::round(value * 10'000) / 10'000); }

}  // namespace

struct Migrator::Plan {
  std::shared_ptr<Collection> source = {};
  CollectionSchema schema = {};  // of the target
  MigrationRecord record = {};
  bool known = false;  // the record is there
};

absl::StatusOr<std::vector<std::string>> Migrator::AliasesOf(const Principal& principal,
                                                             const std::string& collection) const {
  const absl::StatusOr<std::vector<Alias>> aliases = database_.ListAliases(principal);
  if (!aliases.ok()) return aliases.status();
  std::vector<std::string> names;
  for (const Alias& alias : *aliases) {
    if (alias.collection == collection) names.push_back(alias.name);
  }
  return names;
}

absl::StatusOr<std::string> Migrator::FreeName(const Principal& principal,
                                               const std::string& source) const {
  const auto collections = database_.ListCollections(principal);
  if (!collections.ok()) return collections.status();
  const auto aliases = database_.ListAliases(principal);
  if (!aliases.ok()) return aliases.status();
  std::set<std::string> taken;
  for (const CollectionInfo& info : *collections) taken.insert(info.name);
  for (const Alias& alias : *aliases) taken.insert(alias.name);
  std::string base = source;
  const size_t dash = base.rfind("-e");
  if (dash != std::string::npos && dash + 2 < base.size() &&
      base.find_first_not_of("0123456789", dash + 2) == std::string::npos) {
    base.resize(dash);
  }
  for (int i = 2; i < kMaxNames; ++i) {
    std::string name = Concat(base, "-e", i);
    if (!taken.contains(name)) return name;
  }
  return absl::ResourceExhaustedError(Concat("the names ", base, "-e2 and so on are all taken"));
}

absl::StatusOr<Migrator::Plan> Migrator::MakePlan(const MigrationRequest& request) {
  auto source = database_.GetCollection(request.principal, request.collection);
  if (!source.ok()) return source.status();
  const absl::StatusOr<std::vector<MigrationRecord>> records = List(request.principal);
  if (!records.ok()) return records.status();
  for (const MigrationRecord& record : *records) {
    // A call was cut after it had moved the aliases: the name leads to the new collection already.
    if (record.state != MigrationState::kSwitching || record.target != (*source)->info().name) continue;
    source = database_.GetCollection(request.principal, record.source);
    if (!source.ok()) return source.status();
    break;
  }
  Plan plan{.source = *std::move(source)};
  const std::string name = plan.source->info().name;
  plan.schema = plan.source->schema();
  const int field = plan.schema.FindDense(request.field);
  if (field < 0) {
    return absl::InvalidArgumentError(
        Concat("collection ", name, " has no dense field \"", Escape(request.field), "\""));
  }
  DenseField& dense = plan.schema.dense[static_cast<size_t>(field)];
  if (dense.embedder.empty()) {
    return absl::FailedPreconditionError(Concat(
        "dense field ", dense.name, " of collection ", name, " has no embedder: its vectors come from users"));
  }
  const auto spec = EmbedderRegistry::ParseSpec(request.embedder);
  if (!spec.ok()) return spec.status();
  if (EmbedderRegistry::SameSpec(request.embedder, dense.embedder)) {
    return absl::FailedPreconditionError(
        Concat("dense field ", dense.name, " of collection ", name, " is embedded by ", dense.embedder, " already"));
  }
  if (!spec->trained) {
    if (const auto embedder = embedders_.Create(request.embedder); !embedder.ok()) return embedder.status();
  }
  for (const MigrationRecord& record : *records) {
    if (record.source != name) continue;
    const bool same = record.field == dense.name &&
                      EmbedderRegistry::SameSpec(record.embedder, request.embedder);
    if (IsRolling(record.state)) {
      return absl::FailedPreconditionError(
          Concat("collection ", name, " was replaced by ", record.target,
                 record.state == MigrationState::kDone ? "; migrate that one, or roll back"
                                                       : ", and its rollback is not finished"));
    }
    if (!same && record.state != MigrationState::kRolledBack) {
      return absl::FailedPreconditionError(
          Concat("collection ", name, " is being migrated to ", record.embedder, " in field ",
                 record.field, "; go on with that, or cancel it: vouch migrate cancel ", name));
    }
    const bool there = database_.GetCollection(request.principal, record.target).ok();
    if (same && (there || record.state != MigrationState::kRolledBack)) {
      plan.record = record;
      plan.known = true;
    }
  }
  if (!plan.known) {
    absl::StatusOr<std::string> target = FreeName(request.principal, name);
    if (!target.ok()) return target.status();
    plan.record.source = name;
    plan.record.target = *std::move(target);
    plan.record.field = dense.name;
    plan.record.old_embedder = dense.embedder;
    plan.record.embedder = request.embedder;
    plan.record.created_us = database_.clock().NowMicros();
  }
  dense.embedder = plan.record.embedder;
  dense.dim = spec->dim;
  if (absl::Status status = plan.schema.Validate(); !status.ok()) return status;
  return plan;
}

absl::StatusOr<std::shared_ptr<Collection>> Migrator::OpenTarget(const Plan& plan,
                                                                 const Principal& principal) {
  auto target = database_.GetCollection(principal, plan.record.target);
  if (absl::IsNotFound(target.status())) {
    return database_.CreateCollection(principal, plan.record.target, plan.schema);
  }
  if (target.ok() && (*target)->schema().ToJson() != plan.schema.ToJson()) {
    return absl::FailedPreconditionError(Concat("collection ", plan.record.target,
                                                " is there with another schema; cancel the migration"));
  }
  return target;
}

absl::StatusOr<MigrationReport> Migrator::Estimate(const MigrationRequest& request) {
  const absl::StatusOr<Plan> plan = MakePlan(request);
  if (!plan.ok()) return plan.status();
  uint64_t from_row = 0;
  if (plan->known) {
    auto target = database_.GetCollection(request.principal, plan->record.target);
    if (target.ok()) {
      const auto done = CollectionCopy::ReadProgress(**target, plan->record.source);
      if (!done.ok()) return done.status();
      from_row = done->next_row;
    }
  }
  MigrationReport report{.record = plan->record};
  auto estimate = EstimateMigration(*plan->source, plan->source->store(), request.field,
                                    plan->record.embedder, from_row, request.prices, request.cancel);
  if (!estimate.ok()) return estimate.status();
  report.estimate = *std::move(estimate);
  return report;
}

absl::Status Migrator::Save(const Principal& principal, MigrationRecord* record) {
  record->changed_us = database_.clock().NowMicros();
  return records_.Put(principal.tenant, *record);
}

absl::Status Migrator::CheckGate(const MigrationRequest& request, MigrationRecord* record) {
  const SpaceComparison& found = record->comparison;
  record->reason.clear();
  if (found.questions == 0) {
    if (request.unchecked) return absl::OkStatus();
    record->reason = Concat("there is no question to compare both by: no kept answer over ", record->source,
                            ", and none was given (--queries; --unchecked goes without)");
  } else if (found.judged == 0 && !request.comparison.qrels.empty()) {
    record->reason = "none of the judgements is of a question that was given";
  } else if (found.judged > 0 && found.ndcg_new < request.min_ndcg_ratio * found.ndcg_old) {
    record->reason = Concat("nDCG@10 of ", found.judged, " judged questions is ", Figure(found.ndcg_new),
                            ", under ", request.min_ndcg_ratio, " of the ", Figure(found.ndcg_old),
                            " that it was");
  } else if (found.overlap < request.min_overlap) {
    record->reason = Concat("overlap@", found.k, " is ", Figure(found.overlap), ", under ",
                            request.min_overlap);
  } else {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      Concat("not switched over: ", record->reason, "; ", record->target, " stays and can be compared again"));
}

absl::StatusOr<MigrationReport> Migrator::Migrate(const MigrationRequest& request,
                                                  const ProgressSink& progress) {
  absl::StatusOr<MigrationReport> report = Estimate(request);
  if (!report.ok()) return report.status();
  const auto begun = database_.GetCollection(request.principal, report->record.source);
  if (!begun.ok()) return begun.status();
  const auto running = Running::Begin((*begun)->store(), (*begun)->id(), report->record.source);
  if (!running.ok()) return running.status();
  absl::StatusOr<Plan> plan = MakePlan(request);  // as it is now that nobody else changes it
  if (!plan.ok()) return plan.status();
  Collection& source = *plan->source;
  MigrationRecord& record = plan->record;
  const auto aliases = AliasesOf(request.principal, record.source);
  if (!aliases.ok()) return aliases.status();
  const bool switching = record.state == MigrationState::kSwitching;
  if (request.switch_over && aliases->empty() && !switching) {
    return absl::FailedPreconditionError(
        Concat("no alias leads to collection ", record.source,
               ", and switching over moves aliases; make one that readers and writers name: vouch alias set ",
               record.source, "-live=", record.source));
  }
  if (!switching) {
    record.state = MigrationState::kBuilding;
    if (absl::Status status = Save(request.principal, &record); !status.ok()) return status;
  }
  const auto target = OpenTarget(*plan, request.principal);
  if (!target.ok()) return target.status();
  if (!switching) {
    auto copy = CollectionCopy::Create(source, **target, embedders_, record.field, request.principal,
                                       request.cancel, [&](const CollectionCopy::Step& step) {
                                         if (progress) progress({"embedding", step.fraction});
                                       });
    if (!copy.ok()) return copy.status();
    if (const auto version = copy->CatchUp(); !version.ok()) return version.status();
    report->rows = copy->rows();
    ComparisonRequest comparison = request.comparison;
    comparison.principal = request.principal;
    comparison.cancel = request.cancel;
    auto found = CompareSpaces(source, **target, embedders_, comparison, [&](double fraction) {
      if (progress) progress({"comparing", fraction});
    });
    if (!found.ok()) return found.status();
    record.comparison = *std::move(found);
    const absl::Status passed = CheckGate(request, &record);
    record.state = passed.ok() ? MigrationState::kReady : MigrationState::kRefused;
    if (absl::Status status = Save(request.principal, &record); !status.ok()) return status;
    report->record = record;
    if (!request.switch_over) return report;
    if (!passed.ok()) return passed;
    record.state = MigrationState::kSwitching;
    record.aliases = *aliases;
    if (absl::Status status = Save(request.principal, &record); !status.ok()) return status;
  }
  const absl::StatusOr<uint64_t> rows =
      SwitchOver(source, **target, request.principal, request.cancel, progress, &record);
  if (!rows.ok()) return rows.status();
  record.state = MigrationState::kDone;
  if (absl::Status status = Save(request.principal, &record); !status.ok()) return status;
  report->rows += *rows;
  report->record = record;
  return report;
}

// Moving the aliases is the last step, and one: where `from` is fenced, has none and `to` has some of them, an earlier call
// came so far, and `to` may have been written to since.
absl::StatusOr<bool> Migrator::WereMoved(Collection& from, Collection& to, const Principal& principal,
                                         const MigrationRecord& record) const {
  const auto fence = from.store().GetDocument(from.id(), kFenceDocument);
  if (!fence.ok() || !fence->has_value()) return fence.status().ok() ? absl::StatusOr<bool>(false) : fence.status();
  const auto left = AliasesOf(principal, from.info().name);
  if (!left.ok() || !left->empty()) return left.ok() ? absl::StatusOr<bool>(false) : left.status();
  const auto there = AliasesOf(principal, to.info().name);
  if (!there.ok()) return there.status();
  return std::any_of(there->begin(), there->end(), [&](const std::string& alias) {
    return std::find(record.aliases.begin(), record.aliases.end(), alias) != record.aliases.end();
  });
}

// From the last fence on, which is set by compare and swap at the version that `to` has caught up with, `from` takes no commit:
// so what its aliases' readers saw last is what they see next. A failure lifts the fence.
absl::StatusOr<uint64_t> Migrator::SwitchOver(Collection& from, Collection& to, const Principal& principal,
                                              const CancelToken& cancel, const ProgressSink& progress,
                                              MigrationRecord* record) {
  const absl::StatusOr<bool> moved = WereMoved(from, to, principal, *record);
  if (!moved.ok()) return moved.status();
  if (*moved) return 0;
  auto copy = CollectionCopy::Create(from, to, embedders_, record->field, principal, cancel,
                                     [&](const CollectionCopy::Step& step) {
                                       if (progress) progress({"switching", step.fraction});
                                     });
  if (!copy.ok()) return copy.status();
  const std::string reason =
      Concat("collection ", to.info().name, " takes its place with another embedder; write to an alias "
             "(vouch migrate status says how far that is)");
  const auto fence_at_end = [&]() -> absl::Status {
    for (int attempt = 0;; ++attempt) {
      // Where writers are always ahead they wait from here on, for as long as the last rows take.
      if (attempt == kFreeAttempts) {
        const auto stopped = WriteFence(from, reason, {}, std::nullopt, principal);
        if (!stopped.ok()) return stopped.status();
      }
      const absl::StatusOr<Version> synced = copy->CatchUp();
      if (!synced.ok()) return synced.status();
      const absl::StatusOr<CollectionState> state = to.store().GetState(to.id());
      if (!state.ok()) return state.status();
      if (synced->value > 0) {
        if (absl::Status s = CheckComplete(from, *synced, *state, to.info().name); !s.ok()) return s;
      }
      if (from.info().name == record->source) record->source_version = synced->value;
      // Should the aliases be moved back, this is where `from` will go on from.
      const CopyProgress back{.source = to.info().name, .synced = state->latest, .next_row = state->rows};
      const auto fence =
          WriteFence(from, reason, {{.key = std::string(kCopyDocument), .value = EncodeCopyProgress(back)}},
                     *synced, principal);
      if (fence.ok() || !absl::IsAborted(fence.status()) || attempt > kFreeAttempts) return fence.status();
    }
  };
  absl::Status status = fence_at_end();
  if (status.ok()) status = LiftFence(to, principal);
  if (status.ok()) {
    std::vector<AliasMove> moves;
    const auto aliases = AliasesOf(principal, from.info().name);
    if (!aliases.ok()) status = aliases.status();
    for (size_t i = 0; aliases.ok() && i < aliases->size(); ++i) {
      moves.push_back({.alias = (*aliases)[i], .collection = to.info().name});
      if (std::find(record->aliases.begin(), record->aliases.end(), (*aliases)[i]) == record->aliases.end()) {
        record->aliases.push_back((*aliases)[i]);
      }
    }
    if (status.ok() && !moves.empty()) status = database_.MoveAliases(principal, moves);
  }
  if (status.ok()) return copy->rows();
  LiftFence(from, principal).IgnoreError();  // the first error counts; the next call tries again
  return status;
}

absl::StatusOr<std::optional<MigrationRecord>> Migrator::Find(
    const Principal& principal, const std::string& collection,
    const std::function<bool(const MigrationRecord&, const std::string& name)>& fits) const {
  const absl::StatusOr<CollectionInfo> info =
      database_.store().catalog().GetCollection(principal.tenant, collection);
  if (!info.ok()) return info.status();
  const absl::StatusOr<std::vector<MigrationRecord>> records = List(principal);
  if (!records.ok()) return records.status();
  for (const MigrationRecord& record : *records) {
    if (fits(record, info->name)) return std::optional<MigrationRecord>(record);
  }
  return std::optional<MigrationRecord>();
}

absl::StatusOr<MigrationReport> Migrator::RollBack(const std::string& collection, const Principal& principal,
                                                   const CancelToken& cancel, const ProgressSink& progress) {
  auto found = Find(principal, collection, [](const MigrationRecord& record, const std::string& name) {
    return (record.target == name || record.source == name) &&
           (IsRolling(record.state) || record.state == MigrationState::kSwitching);
  });
  if (!found.ok()) return found.status();
  if (!found->has_value()) {
    return absl::FailedPreconditionError(
        Concat("no migration to or from collection ", collection, " was switched over; see vouch migrate status"));
  }
  MigrationReport report{.record = **found};
  MigrationRecord& record = report.record;
  const auto to = database_.GetCollection(principal, record.source);
  if (!to.ok()) return to.status();
  const auto from = database_.GetCollection(principal, record.target);
  if (!from.ok()) return from.status();
  const auto running = Running::Begin((*to)->store(), (*to)->id(), record.source);
  if (!running.ok()) return running.status();
  const auto aliases = AliasesOf(principal, record.target);
  if (!aliases.ok()) return aliases.status();
  if (aliases->empty() && record.state != MigrationState::kRollingBack) {
    return absl::FailedPreconditionError(Concat("no alias leads to collection ", record.target));
  }
  record.state = MigrationState::kRollingBack;
  if (absl::Status status = Save(principal, &record); !status.ok()) return status;
  const auto rows = SwitchOver(**from, **to, principal, cancel, progress, &record);
  if (!rows.ok()) return rows.status();
  record.state = MigrationState::kRolledBack;
  if (absl::Status status = Save(principal, &record); !status.ok()) return status;
  report.rows = *rows;
  return report;
}

absl::StatusOr<MigrationRecord> Migrator::Cancel(const std::string& collection, const Principal& principal) {
  auto found = Find(principal, collection, [](const MigrationRecord& record, const std::string& name) {
    return record.target == name || record.source == name;
  });
  if (!found.ok()) return found.status();
  if (!found->has_value()) {
    return absl::FailedPreconditionError(Concat("collection ", collection, " has no migration"));
  }
  const MigrationRecord record = **found;
  const auto source = database_.GetCollection(principal, record.source);
  if (!source.ok()) return source.status();
  const auto running = Running::Begin((*source)->store(), (*source)->id(), record.source);
  if (!running.ok()) return running.status();
  const auto aliases = AliasesOf(principal, record.target);
  if (!aliases.ok()) return aliases.status();
  if (IsRolling(record.state) || !aliases->empty()) {
    return absl::FailedPreconditionError(Concat("collection ", record.target, " has taken the place of ",
                                                record.source, "; roll back first: vouch migrate rollback ",
                                                record.target));
  }
  absl::Status status = LiftFence(**source, principal);
  if (status.ok()) status = database_.DropCollection(principal, record.target);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  if (status = records_.Remove(principal.tenant, record.source); !status.ok()) return status;
  return record;
}

}  // namespace vouch
