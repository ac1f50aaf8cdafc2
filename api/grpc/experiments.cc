#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/delivery_services.h"
#include "api/grpc/request.h"
#include "rag/deliver/experiment_runner.h"
#include "vouch/v1/experiments.grpc.pb.h"

namespace vouch {
namespace {

// Defaults filled in.
absl::StatusOr<ExperimentSpec> SpecOf(const v1::ExperimentSpec& message) {
  ExperimentSpec spec;
  spec.name = message.name();
  spec.description = message.description();
  spec.pipeline = message.pipeline();
  if (!message.champion().empty()) spec.champion = message.champion();
  if (!message.challenger().empty()) spec.challenger = message.challenger();
  const absl::StatusOr<ExperimentMode> mode = ParseExperimentMode(message.mode());
  if (!mode.ok()) return mode.status();
  spec.mode = *mode;
  if (IsPaired(spec.mode)) spec.share = 1;
  if (spec.mode == ExperimentMode::kInterleave) spec.signal = ExperimentSignal::kCitations;
  if (message.share() != 0) spec.share = message.share();
  if (spec.mode == ExperimentMode::kCanary) {
    if (message.share() != 0)
      return absl::InvalidArgumentError("share is what each step of a canary's ramp says; leave it out");
    spec.share = 0;
  }
  for (const v1::RampStep& step : message.ramp()) {
    spec.ramp.push_back(
        {.share = step.share(), .answers = step.answers(), .seconds = step.seconds()});
  }
  if (!message.signal().empty()) {
    const absl::StatusOr<ExperimentSignal> signal = ParseExperimentSignal(message.signal());
    if (!signal.ok()) return signal.status();
    spec.signal = *signal;
  }
  for (const v1::ExperimentGuardrail& guardrail : message.guardrails()) {
    const absl::StatusOr<GuardrailMetric> metric = ParseGuardrailMetric(guardrail.metric());
    if (!metric.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("guardrails[", spec.guardrails.size(), "].",
                                                     metric.status().message()));
    }
    ExperimentGuardrail& filled = spec.guardrails.emplace_back();
    filled.metric = *metric;
    if (guardrail.has_max()) filled.max = guardrail.max();
    if (guardrail.has_margin()) filled.margin = guardrail.margin();
    if (guardrail.has_share()) filled.share = guardrail.share();
  }
  if (message.alpha() != 0) spec.alpha = message.alpha();
  spec.salt = message.salt();
  spec.promote = message.promote();
  return spec;
}

void FillSpec(const ExperimentSpec& spec, v1::ExperimentSpec* message) {
  message->set_name(spec.name);
  message->set_description(spec.description);
  message->set_pipeline(spec.pipeline);
  message->set_champion(spec.champion);
  message->set_challenger(spec.challenger);
  message->set_mode(std::string(ExperimentModeName(spec.mode)));
  message->set_share(spec.share);
  for (const RampStep& step : spec.ramp) {
    v1::RampStep* filled = message->add_ramp();
    filled->set_share(step.share);
    filled->set_answers(step.answers);
    filled->set_seconds(step.seconds);
  }
  message->set_signal(std::string(ExperimentSignalName(spec.signal)));
  for (const ExperimentGuardrail& guardrail : spec.guardrails) {
    v1::ExperimentGuardrail* filled = message->add_guardrails();
    filled->set_metric(std::string(GuardrailMetricName(guardrail.metric)));
    if (guardrail.max) filled->set_max(*guardrail.max);
    if (guardrail.margin) filled->set_margin(*guardrail.margin);
    if (guardrail.share) filled->set_share(*guardrail.share);
  }
  message->set_alpha(spec.alpha);
  message->set_salt(spec.salt);
  message->set_promote(spec.promote);
}

void FillArm(const ExperimentState& state, ArmTally StepTally::*arm, v1::ExperimentArm* message) {
  ArmTally sum;
  const auto add = [](const FigureSums& part, FigureSums* whole) {
    whole->count += part.count;
    whole->sum += part.sum;
  };
  for (const StepTally& step : state.steps) {
    const ArmTally& tally = step.*arm;
    sum.answers += tally.answers;
    sum.callers += tally.callers;
    add(tally.signal, &sum.signal);
    add(tally.abstained, &sum.abstained);
    add(tally.cost, &sum.cost);
    add(tally.errors, &sum.errors);
  }
  message->set_answers(sum.answers);
  message->set_callers(sum.callers);
  message->set_signals(sum.signal.count);
  message->set_mean(sum.signal.mean());
  message->set_abstained(sum.abstained.mean());
  message->set_cost(sum.cost.mean());
  message->set_errors(sum.errors.mean());
}

void FillRun(const ExperimentEntry& entry, v1::Experiment* message) {
  const ExperimentState& state = entry.state;
  message->set_run(state.run);
  message->set_not_started(entry.not_started);
  // A run of an earlier version says nothing of this one.
  if (state.run == 0 || state.version != entry.version.number) return;
  const bool active = IsActive(state.status);
  message->set_status(std::string(ExperimentStatusName(state.status)));
  message->set_reason(state.reason);
  message->set_promotion(state.promotion);
  message->set_started_us(state.started_us);
  message->set_ended_us(state.ended_us);
  message->set_step(state.step + 1);
  message->set_share(active ? ShareAt(entry.spec, state.step) : 0);
  const ExperimentFindings findings = Examine(entry.spec, state);
  for (const bool challenger : {false, true}) {
    v1::ExperimentArm* arm = message->add_arms();
    arm->set_arm(challenger ? "challenger" : "champion");
    arm->set_version(challenger ? state.challenger : state.champion);
    FillArm(state, challenger ? &StepTally::challenger : &StepTally::champion, arm);
    const LatencyCounts& latency = challenger ? state.challenger_ms : state.champion_ms;
    if (const auto p95 = latency.Quantile(0.95)) arm->set_latency_p95_ms(*p95);
  }
  if (findings.difference.known) {
    message->set_difference(findings.difference.value);
    message->set_low(findings.difference.interval.low);
    message->set_high(findings.difference.interval.high);
  }
  message->set_sample_p(findings.sample_p);
  for (size_t i = 0; i < findings.guardrails.size(); ++i) {
    const GuardrailFinding& finding = findings.guardrails[i];
    v1::ExperimentCheck* check = message->add_guardrails();
    check->set_guardrail(DescribeGuardrail(entry.spec.guardrails[i]));
    if (finding.champion) check->set_champion(*finding.champion);
    if (finding.challenger) check->set_challenger(*finding.challenger);
    check->set_violated(finding.violated);
  }
  message->set_dropped(state.dropped);
}

void FillVersion(const ExperimentSpec& spec, const SpecVersion& version, v1::Experiment* message) {
  FillSpec(spec, message->mutable_spec());
  message->set_number(version.number);
  message->set_hash(version.hash);
  message->set_created_us(version.created_us);
  message->set_canonical(version.canonical);
}

void FillEntry(const ExperimentEntry& entry, v1::Experiment* message) {
  FillVersion(entry.spec, entry.version, message);
  FillRun(entry, message);
}

class ExperimentsService final : public v1::Experiments::Service {
 public:
  explicit ExperimentsService(const ServiceContext& context) : services_(context) {}

  grpc::Status ApplyExperiment(grpc::ServerContext* context,
                               const v1::ApplyExperimentRequest* request,
                               v1::ApplyExperimentResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<ExperimentSpec> spec = SpecOf(request->spec());
      absl::StatusOr<SpecStore::Applied> applied =
          spec.ok() ? runner().Apply(Tenant(*context), *spec, request->dry_run(), ActorOf(*context))
                    : spec.status();
      if (!applied.ok()) {
        return absl::Status(applied.status().code(),
                            absl::StrCat("experiment '", request->spec().name(), "': ",
                                         applied.status().message()));
      }
      reply->set_changed(applied->changed);
      reply->set_previous(std::move(applied->previous));
      FillVersion(*spec, applied->version, reply->mutable_experiment());
      return absl::OkStatus();
    });
  }

  grpc::Status GetExperiment(grpc::ServerContext* context, const v1::GetExperimentRequest* request,
                             v1::Experiment* reply) override {
    return One(*context, reply, [&] { return runner().Get(Tenant(*context), request->name()); });
  }

  grpc::Status ListExperiments(grpc::ServerContext* context, const v1::ListExperimentsRequest*,
                               v1::ListExperimentsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const auto entries = runner().List(Tenant(*context));
      if (!entries.ok()) return entries.status();
      for (const ExperimentEntry& entry : *entries) FillEntry(entry, reply->add_experiments());
      return absl::OkStatus();
    });
  }

  grpc::Status StartExperiment(grpc::ServerContext* context,
                               const v1::StartExperimentRequest* request,
                               v1::Experiment* reply) override {
    return One(*context, reply, [&] {
      return runner().Start(Tenant(*context), request->name(), ActorOf(*context));
    });
  }

  grpc::Status StopExperiment(grpc::ServerContext* context,
                              const v1::StopExperimentRequest* request,
                              v1::Experiment* reply) override {
    return One(*context, reply, [&] {
      return runner().Stop(Tenant(*context), request->name(), request->reason(), ActorOf(*context));
    });
  }

  grpc::Status RemoveExperiment(grpc::ServerContext* context,
                                const v1::RemoveExperimentRequest* request,
                                v1::RemoveExperimentResponse*) override {
    return Serve(services_, *context, [&] {
      return runner().Remove(Tenant(*context), request->name(), ActorOf(*context));
    });
  }

 private:
  ExperimentRunner& runner() const { return *services_.experiments; }
  static std::string Tenant(const grpc::ServerContext& context) {
    return PrincipalOf(context).tenant;
  }

  template <class Action>
  grpc::Status One(const grpc::ServerContext& context, v1::Experiment* reply, Action action) const {
    return Serve(services_, context, [&]() -> absl::Status {
      const absl::StatusOr<ExperimentEntry> entry = action();
      if (!entry.ok()) return entry.status();
      FillEntry(*entry, reply);
      return absl::OkStatus();
    });
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewExperimentsService(const ServiceContext& context) {
  return std::make_unique<ExperimentsService>(context);
}

}  // namespace vouch
