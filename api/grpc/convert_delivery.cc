#include <cmath>

#include "api/grpc/delivery_services.h"

namespace vouch {
namespace {

std::vector<GateComparison> ComparisonsOf(
    const google::protobuf::RepeatedPtrField<v1::GateComparison>& messages) {
  std::vector<GateComparison> checks;
  for (const v1::GateComparison& message : messages) {
    GateComparison& check = checks.emplace_back();
    check.metric = message.metric();
    check.margin = message.margin();
    if (message.has_share()) check.share = message.share();
    check.better = message.better();
  }
  return checks;
}

void FillComparisons(const std::vector<GateComparison>& checks,
                     google::protobuf::RepeatedPtrField<v1::GateComparison>* messages) {
  for (const GateComparison& check : checks) {
    v1::GateComparison* message = messages->Add();
    message->set_metric(check.metric);
    message->set_margin(check.margin);
    if (check.share) message->set_share(*check.share);
    message->set_better(check.better);
  }
}

void FillGateSpec(const GateSpec& spec, v1::GateSpec* message) {
  message->set_name(spec.name);
  message->set_description(spec.description);
  message->set_pipeline(spec.pipeline);
  message->set_alias(spec.alias);
  message->set_dataset(spec.dataset);
  for (const GateThreshold& threshold : spec.thresholds) {
    v1::GateThreshold* filled = message->add_thresholds();
    filled->set_metric(threshold.metric);
    if (threshold.min) filled->set_min(*threshold.min);
    if (threshold.max) filled->set_max(*threshold.max);
    filled->set_slice(threshold.slice);
    filled->set_sure(threshold.sure);
  }
  FillComparisons(spec.no_worse, message->mutable_no_worse());
  FillComparisons(spec.guardrails, message->mutable_guardrails());
  for (const std::string& hook : spec.hooks) message->add_hooks(hook);
  message->set_alpha(spec.alpha);
  message->set_max_errors(spec.max_errors);
}

void FillCheck(const GateCheck& check, v1::GateCheck* message) {
  message->set_what(check.what);
  message->set_verdict(std::string(GateVerdictName(check.verdict)));
  message->set_says(check.says);
  if (std::isfinite(check.value)) message->set_value(check.value);
  if (std::isfinite(check.champion)) message->set_champion(check.champion);
  if (std::isfinite(check.low)) message->set_low(check.low);
  if (std::isfinite(check.high)) message->set_high(check.high);
}

}  // namespace

GateSpec GateSpecOf(const v1::GateSpec& message) {
  GateSpec spec;
  spec.name = message.name();
  spec.description = message.description();
  spec.pipeline = message.pipeline();
  spec.alias = message.alias();
  spec.dataset = message.dataset();
  for (const v1::GateThreshold& threshold : message.thresholds()) {
    GateThreshold& filled = spec.thresholds.emplace_back();
    filled.metric = threshold.metric();
    if (threshold.has_min()) filled.min = threshold.min();
    if (threshold.has_max()) filled.max = threshold.max();
    filled.slice = threshold.slice();
    filled.sure = threshold.sure();
  }
  spec.no_worse = ComparisonsOf(message.no_worse());
  spec.guardrails = ComparisonsOf(message.guardrails());
  spec.hooks.assign(message.hooks().begin(), message.hooks().end());
  if (message.alpha() != 0) spec.alpha = message.alpha();
  spec.max_errors = message.max_errors();
  return spec;
}

absl::StatusOr<SloSpec> SloSpecOf(const v1::SloSpec& message) {
  SloSpec spec;
  spec.name = message.name();
  spec.description = message.description();
  spec.pipeline = message.pipeline();
  spec.alias = message.alias();
  const absl::StatusOr<SloSignal> signal = ParseSloSignal(message.signal());
  if (!signal.ok()) return signal.status();
  spec.signal = *signal;
  spec.limit = message.limit();
  if (message.objective() != 0) spec.objective = message.objective();
  if (message.period_days() != 0) spec.period_days = message.period_days();
  if (message.min_events() != 0) spec.min_events = message.min_events();
  return spec;
}

absl::Status FillGate(const SpecVersion& version, v1::Gate* message) {
  const absl::StatusOr<GateSpec> spec = GateFromJson(version.canonical);
  if (!spec.ok()) return spec.status();
  FillGateSpec(*spec, message->mutable_spec());
  message->set_number(version.number);
  message->set_hash(version.hash);
  message->set_created_us(version.created_us);
  message->set_canonical(version.canonical);
  return absl::OkStatus();
}

absl::Status FillSlo(const SpecVersion& version, v1::Slo* message) {
  const absl::StatusOr<SloSpec> spec = SloFromJson(version.canonical);
  if (!spec.ok()) return spec.status();
  v1::SloSpec* filled = message->mutable_spec();
  filled->set_name(spec->name);
  filled->set_description(spec->description);
  filled->set_pipeline(spec->pipeline);
  filled->set_alias(spec->alias);
  filled->set_signal(std::string(SloSignalName(spec->signal)));
  filled->set_limit(spec->limit);
  filled->set_objective(spec->objective);
  filled->set_period_days(spec->period_days);
  filled->set_min_events(spec->min_events);
  message->set_number(version.number);
  message->set_hash(version.hash);
  message->set_created_us(version.created_us);
  message->set_canonical(version.canonical);
  return absl::OkStatus();
}

void FillSloStatus(const SloStatus& status, v1::Slo* message) {
  message->set_bad(status.period.bad);
  message->set_all(status.period.all);
  message->set_budget_spent(status.budget_spent);
  message->set_frozen(status.frozen);
  message->set_complete(status.complete);
  for (const BurnAlarm& alarm : status.alarms) {
    v1::BurnAlarm* filled = message->add_alarms();
    filled->set_action(alarm.rule.action == BurnAction::kPage ? "page" : "ticket");
    filled->set_threshold(alarm.rule.burn);
    filled->set_long_s(alarm.rule.long_s);
    filled->set_short_s(alarm.rule.short_s);
    filled->set_long_bad(alarm.long_window.bad);
    filled->set_long_all(alarm.long_window.all);
    filled->set_short_bad(alarm.short_window.bad);
    filled->set_short_all(alarm.short_window.all);
    filled->set_burn(alarm.state.burn);
    filled->set_sure_burn(alarm.state.sure_burn);
    filled->set_fires(alarm.state.fires);
  }
}

void FillPromotion(const Promotion& promotion, v1::Promotion* message) {
  message->set_pipeline(promotion.pipeline);
  message->set_alias(promotion.alias);
  message->set_from(promotion.from);
  message->set_to(promotion.to);
  message->set_revision(promotion.revision);
  message->set_moved(promotion.moved);
  message->set_forced(promotion.forced);
  message->set_already(promotion.already);
  message->set_says(promotion.says);
  for (const GateOutcome& gate : promotion.gates) {
    v1::GateOutcome* filled = message->add_gates();
    filled->set_gate(gate.gate);
    filled->set_hash(gate.hash);
    filled->set_dataset(gate.dataset);
    filled->set_evaluation(gate.evaluation);
    filled->set_champion_evaluation(gate.champion_evaluation);
    filled->set_passed(gate.passed());
    for (const GateCheck& check : gate.checks) FillCheck(check, filled->add_checks());
  }
  message->set_audit_number(promotion.audit_number);
  message->set_audit_hash(promotion.audit_hash);
}

}  // namespace vouch
