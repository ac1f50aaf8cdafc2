#include "rag/deliver/promoter.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "rag/deliver/slo_status.h"
#include "rag/deliver/spec_store.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

RecordJson NumberToJson(double value) {
  return std::isfinite(value) ? RecordJson(value) : RecordJson(nullptr);
}

RecordJson GatesToJson(const std::vector<GateOutcome>& gates) {
  RecordJson list = RecordJson::array();
  for (const GateOutcome& gate : gates) {
    RecordJson checks = RecordJson::array();
    for (const GateCheck& check : gate.checks) {
      checks.push_back({{"what", check.what},
                        {"verdict", GateVerdictName(check.verdict)},
                        {"says", check.says},
                        {"value", NumberToJson(check.value)},
                        {"champion", NumberToJson(check.champion)},
                        {"low", NumberToJson(check.low)},
                        {"high", NumberToJson(check.high)}});
    }
    list.push_back({{"gate", gate.gate},
                    {"hash", gate.hash},
                    {"dataset", gate.dataset},
                    {"evaluation", gate.evaluation},
                    {"champion_evaluation", gate.champion_evaluation},
                    {"passed", gate.passed()},
                    {"checks", std::move(checks)}});
  }
  return list;
}

bool AllPass(const std::vector<GateOutcome>& gates) {
  return std::all_of(gates.begin(), gates.end(),
                     [](const GateOutcome& gate) { return gate.passed(); });
}

// "gate quality@1: ndcg_cut_10 >= 0.9: fail: it is 0.5 …", the first few.
std::string WhyNot(const std::vector<GateOutcome>& gates) {
  constexpr size_t kShown = 3;
  std::string why;
  size_t count = 0;
  for (const GateOutcome& gate : gates) {
    for (const GateCheck& check : gate.checks) {
      if (check.verdict == GateVerdict::kPass || ++count > kShown) continue;
      why += Concat(why.empty() ? "" : "; ", gate.gate, ": ", check.what, ": ",
                    GateVerdictName(check.verdict), " (", check.says, ")");
    }
  }
  if (count > kShown) why += Concat("; and ", count - kShown, " more");
  return why;
}

std::string ActorOf(const Principal& principal) {
  return Concat(principal.tenant, "/", principal.subject);
}

std::string SubjectOf(const Promotion& promotion) {
  return Concat("pipeline/", promotion.pipeline, "@", promotion.alias);
}

absl::Status CheckReason(const std::string& reason, bool force) {
  if (force && reason.empty()) {
    return absl::InvalidArgumentError(
        "force takes a reason, which the audit log keeps: --reason TEXT");
  }
  if (reason.size() > Journal::kMaxReasonBytes) {
    return absl::InvalidArgumentError(Concat("the reason has ", reason.size(),
                                             " bytes; the limit is ", Journal::kMaxReasonBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckRevision(const std::string& name, uint64_t revision,
                           const std::optional<uint64_t>& expected) {
  if (!expected || *expected == revision) return absl::OkStatus();
  return absl::AbortedError(Concat(name, " is at revision ", revision, ", not ", *expected,
                                   ": it was moved meanwhile; look again and try again"));
}

}  // namespace

std::string EvidenceToJson(const Promotion& promotion) {
  return DumpRecord({{"number", promotion.to},
                     {"moved", promotion.moved},
                     {"forced", promotion.forced},
                     {"revision", promotion.revision},
                     {"gates", GatesToJson(promotion.gates)}});
}

absl::StatusOr<std::vector<GateOutcome>> Promoter::AskGates(const PromoteRequest& request,
                                                            const PipelineVersion& candidate,
                                                            const PipelineVersion* champion) const {
  const std::string& tenant = request.principal.tenant;
  const SpecStore specs(store_, clock_, kGateKind);
  const absl::StatusOr<std::vector<SpecVersion>> versions = specs.List(tenant);
  if (!versions.ok()) return versions.status();
  EvaluationRecords& records = EvaluationRecords::Of(store_);
  const EvaluationStore evaluations(records, tenant);
  const DatasetStore datasets(records, tenant);
  const GateChecker checker(evaluations, datasets);
  std::vector<GateOutcome> outcomes;
  for (const SpecVersion& version : *versions) {
    const absl::StatusOr<GateSpec> gate = GateFromJson(version.canonical);
    if (!gate.ok()) return gate.status();
    if (gate->pipeline != candidate.spec.name || gate->alias != request.alias) continue;
    if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
    absl::StatusOr<GateOutcome> outcome = checker.Check(*gate, candidate, champion);
    if (!outcome.ok()) return outcome.status();
    outcome->gate = Concat(version.name, "@", version.number);
    outcome->hash = version.hash;
    const std::vector<HookStatus> known =
        hooks_ == nullptr ? std::vector<HookStatus>()
                          : hooks_->List(tenant).value_or(std::vector<HookStatus>());
    for (const std::string& name : gate->hooks) {
      const auto hook = std::find_if(known.begin(), known.end(),
                                     [&](const auto& status) { return status.spec.name == name; });
      const bool asks = hook != known.end() && hook->spec.Wants("before.promote");
      outcome->checks.push_back(
          {.what = Concat("hook ", name),
           .verdict = asks ? GateVerdict::kPass : GateVerdict::kMissing,
           .says = asks ? "it is asked once all else has passed"
                        : Concat("no hook of this process is named ", name,
                                 " and wants before.promote; set it up in the file of --hooks, or apply one")});
    }
    outcomes.push_back(*std::move(outcome));
  }
  absl::StatusOr<std::optional<GateOutcome>> budget =
      AskBudgets(tenant, candidate.spec.name, request.alias);
  if (!budget.ok()) return budget.status();
  if (budget->has_value()) outcomes.push_back(**std::move(budget));
  return outcomes;
}

absl::StatusOr<std::optional<GateOutcome>> Promoter::AskBudgets(std::string_view tenant,
                                                                const std::string& pipeline,
                                                                const std::string& alias) const {
  const absl::StatusOr<std::vector<SpecVersion>> versions =
      SpecStore(store_, clock_, kSloKind).List(tenant);
  if (!versions.ok()) return versions.status();
  std::vector<SloSpec> specs;
  for (const SpecVersion& version : *versions) {
    absl::StatusOr<SloSpec> spec = SloFromJson(version.canonical);
    if (!spec.ok()) return spec.status();
    if (spec->pipeline == pipeline && spec->alias == alias) specs.push_back(*std::move(spec));
  }
  if (specs.empty()) return std::optional<GateOutcome>();
  const absl::StatusOr<std::vector<SloStatus>> states =
      SloReader(store_, clock_).Read(tenant, specs);
  if (!states.ok()) return states.status();
  GateOutcome outcome{.gate = "budget"};
  for (const SloStatus& state : *states) {
    const std::string seen = Concat(absl::StrFormat("%.0f %%", 100 * state.budget_spent),
                                    " of the error budget is spent: ", state.period.bad, " of ",
                                    state.period.all, " answers in ", state.spec.period_days,
                                    " days were not good by ", SloSignalName(state.spec.signal));
    outcome.checks.push_back(
        {.what = Concat("error budget of ", state.spec.name),
         .verdict = state.frozen ? GateVerdict::kFail : GateVerdict::kPass,
         .says = state.frozen
                     ? Concat(seen,
                              "; nothing is promoted until it has recovered: roll back (vouch "
                              "rollback ",
                              pipeline, "@", alias, "), wait, or force it with a reason")
                     : seen,
         .value = state.budget_spent});
  }
  return std::optional<GateOutcome>(std::move(outcome));
}

void Promoter::AskHooksBefore(const std::string& type, const Promotion& planned,
                              const std::string& reason, const Principal& principal,
                              const CancelToken& cancel, GateOutcome* outcome) const {
  if (hooks_ == nullptr) return;
  const Event event = BeforeEvent(principal.tenant, type, SubjectOf(planned),
                                  DumpRecord({{"pipeline", planned.pipeline},
                                              {"alias", planned.alias},
                                              {"from", planned.from},
                                              {"to", planned.to},
                                              {"actor", ActorOf(principal)},
                                              {"reason", reason},
                                              {"forced", planned.forced},
                                              {"gates", GatesToJson(planned.gates)}}),
                                  clock_.NowMicros());
  for (const HookVerdict& verdict : hooks_->AskBefore(event, cancel)) {
    outcome->checks.push_back({.what = Concat("hook ", verdict.hook),
                               .verdict = verdict.allowed  ? GateVerdict::kPass
                                          : verdict.failed ? GateVerdict::kMissing
                                                           : GateVerdict::kFail,
                               .says = verdict.says});
  }
}

absl::StatusOr<Promotion> Promoter::Promote(const PromoteRequest& request) {
  if (absl::Status status = CheckReason(request.reason, request.force); !status.ok()) return status;
  const std::string& tenant = request.principal.tenant;
  const auto candidate = pipelines_.Get(tenant, request.pipeline);
  if (!candidate.ok()) return candidate.status();
  const std::string& name = (*candidate)->spec.name;
  const auto state = pipelines_.GetAlias(tenant, name, request.alias);
  if (!state.ok()) return state.status();
  Promotion planned{.pipeline = name,
                    .alias = request.alias,
                    .from = state->number,
                    .to = (*candidate)->number,
                    .revision = state->revision,
                    .forced = request.force};
  const std::string full = Concat(name, "@", request.alias);
  absl::Status revision = CheckRevision(full, state->revision, request.expected_revision);
  if (!revision.ok()) return revision;
  if (planned.from == planned.to) {
    planned.already = true;
    planned.says = Concat(full, " is version ", planned.to, " already");
    return planned;
  }
  std::shared_ptr<const PipelineVersion> champion;
  if (planned.from != 0) {
    const auto there = pipelines_.Get(tenant, Concat(name, "@", planned.from));
    if (!there.ok()) return there.status();
    champion = *there;
  }
  absl::StatusOr<std::vector<GateOutcome>> gates = AskGates(request, **candidate, champion.get());
  if (!gates.ok()) return gates.status();
  planned.gates = *std::move(gates);
  bool passes = AllPass(planned.gates);
  if (!request.dry_run && (passes || request.force)) {
    GateOutcome hooks{.gate = "hooks"};
    AskHooksBefore("before.promote", planned, request.reason, request.principal, request.cancel,
                   &hooks);
    if (!hooks.checks.empty()) planned.gates.push_back(std::move(hooks));
    passes = AllPass(planned.gates);
  }
  if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
  if (request.dry_run) {
    planned.says = passes ? Concat("a dry run: all that can be asked passes (hooks were not)")
                          : Concat("a dry run: it would be refused: ", WhyNot(planned.gates));
    return planned;
  }
  planned.moved = passes || request.force;
  if (planned.moved) {
    planned.says = Concat(full, " is version ", planned.to, passes ? "" : ", by force");
    return Finish(std::move(planned), "promote", request.reason, request.principal, state->revision,
                  /*back=*/false);
  }
  planned.says = Concat("refused: ", WhyNot(planned.gates));
  return Finish(std::move(planned), "promote.refused", request.reason, request.principal,
                state->revision, /*back=*/false);
}

absl::StatusOr<Promotion> Promoter::Rollback(const RollbackRequest& request) {
  if (absl::Status status = CheckReason(request.reason, request.force); !status.ok()) return status;
  const std::string& tenant = request.principal.tenant;
  const auto state = pipelines_.GetAlias(tenant, request.pipeline, request.alias);
  if (!state.ok()) return state.status();
  const std::string full = Concat(request.pipeline, "@", request.alias);
  if (state->number == 0) {
    return absl::NotFoundError(
        Concat("pipeline ", request.pipeline, " has no alias '", Escape(request.alias), "'"));
  }
  absl::Status revision = CheckRevision(full, state->revision, request.expected_revision);
  if (!revision.ok()) return revision;
  if (state->earlier.empty()) {
    return absl::FailedPreconditionError(
        Concat(full, " is version ", state->number,
               " and was never another; there is nothing to go back to"));
  }
  Promotion planned{.pipeline = request.pipeline,
                    .alias = request.alias,
                    .from = state->number,
                    .to = state->earlier.back(),
                    .revision = state->revision,
                    .forced = request.force};
  GateOutcome hooks{.gate = "hooks"};
  AskHooksBefore("before.rollback", planned, request.reason, request.principal, request.cancel,
                 &hooks);
  const bool passes = hooks.passed();
  if (!hooks.checks.empty()) planned.gates.push_back(std::move(hooks));
  if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
  planned.moved = passes || request.force;
  planned.says = planned.moved
                     ? Concat(full, " is version ", planned.to, " again")
                     : Concat("refused: ", WhyNot(planned.gates), "; force it with a reason");
  const std::string action = planned.moved ? "rollback" : "rollback.refused";
  return Finish(std::move(planned), action, request.reason, request.principal, state->revision,
                /*back=*/true);
}

absl::StatusOr<Promotion> Promoter::Finish(Promotion planned, const std::string& action,
                                           const std::string& reason, const Principal& principal,
                                           uint64_t expected_revision, bool back) {
  if (planned.moved) planned.revision = expected_revision + 1;
  JournalChange change;
  change.entries.push_back(
      {.time_us = clock_.NowMicros(),
       .actor = ActorOf(principal),
       .action = action,
       .subject = SubjectOf(planned),
       .reason = reason,
       .before = DumpRecord({{"number", planned.from}, {"revision", expected_revision}}),
       .after = EvidenceToJson(planned)});
  const absl::StatusOr<std::vector<AuditEntry>> kept =
      planned.moved
          ? pipelines_.MoveAlias(
                principal.tenant, planned.pipeline, planned.alias,
                {.number = planned.to, .expected_revision = expected_revision, .back = back},
                std::move(change))
          : Journal::Of(store_).Commit(principal.tenant, change);
  if (!kept.ok()) return kept.status();
  planned.audit_number = kept->front().number;
  planned.audit_hash = kept->front().hash;
  return planned;
}

}  // namespace vouch
