#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/evaluation_services.h"
#include "api/grpc/progress_writer.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "rag/deliver/event.h"
#include "rag/deliver/hook_runner.h"
#include "rag/eval/answer_metrics.h"
#include "rag/eval/calibrate.h"
#include "rag/pipeline_store.h"
#include "vouch/v1/calibration.grpc.pb.h"

namespace vouch {
namespace {

constexpr char kMethod[] =
    "risk: selection with guaranteed risk (Geifman and El-Yaniv, 2017): a binary search over the "
    "thresholds, each with an exact binomial bound at its share of the confidence. Intervals: Clopper "
    "and Pearson. An answer is right where it has half of a reference's words by F1 or the whole "
    "reference; to answer an unanswerable question is wrong.";

void FillPoint(const CalibrationPoint& point, v1::CalibrationPoint* message) {
  message->set_threshold(point.threshold);
  message->set_answered(point.answered);
  message->set_wrong(point.wrong);
  message->set_coverage(point.coverage);
  message->set_risk(point.risk);
}

// What the samples give at a threshold.
CalibrationPoint PointAt(const std::vector<CalibrationSample>& samples, double threshold) {
  CalibrationPoint point{.threshold = threshold};
  for (const CalibrationSample& sample : samples) {
    if (!sample.answered || sample.score < threshold) continue;
    ++point.answered;
    point.wrong += sample.wrong ? 1 : 0;
  }
  if (!samples.empty())
    point.coverage = static_cast<double>(point.answered) / static_cast<double>(samples.size());
  if (point.answered > 0)
    point.risk = static_cast<double>(point.wrong) / static_cast<double>(point.answered);
  return point;
}

double Aurc(const std::vector<CalibrationSample>& samples) {
  std::vector<Attempt> attempts;
  for (const CalibrationSample& sample : samples) {
    attempts.push_back(
        {.answered = sample.answered, .correct = !sample.wrong, .confidence = sample.score});
  }
  return ScoreAbstention(attempts).aurc;
}

class CalibrationService final : public v1::Calibration::Service {
 public:
  explicit CalibrationService(const ServiceContext& context) : services_(context) {}

  grpc::Status Calibrate(grpc::ServerContext* context, const v1::CalibrateRequest* request,
                         grpc::ServerWriter<v1::CalibrateReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      ProgressWriter progress([&](double fraction) {
        v1::CalibrateReply reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      CalibrationOptions options;
      if (request->parallel() != 0) options.parallel = request->parallel();
      options.cancel = CancelOf(*context);
      options.progress = [&](double fraction) { progress.Update(fraction); };
      v1::CalibrateReply reply;
      absl::Status status =
          Run(*request, *context, options, reply.mutable_result());
      if (!status.ok()) return status;
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

 private:
  PipelineStore Pipelines() const {
    return PipelineStore(services_.database->store(), services_.database->clock());
  }

  static CalibrationTarget TargetOf(const v1::CalibrateRequest& request) {
    CalibrationTarget target;
    if (request.has_risk()) target.risk = request.risk();
    if (request.has_coverage()) target.coverage = request.coverage();
    if (request.confidence() != 0) target.confidence = request.confidence();
    return target;
  }

  absl::Status Run(const v1::CalibrateRequest& request, const grpc::ServerContext& context,
                   const CalibrationOptions& options, v1::CalibrationResult* result) const {
    const Principal principal = PrincipalOf(context);
    const CalibrationTarget target = TargetOf(request);
    // A target that is none is told before anybody is asked.
    if (auto checked = ChooseThreshold({CalibrationSample()}, target); !checked.ok())
      return checked.status();
    const absl::StatusOr<std::shared_ptr<const PipelineVersion>> pipeline =
        Pipelines().Get(principal.tenant, request.pipeline());
    if (!pipeline.ok()) return pipeline.status();
    const absl::StatusOr<DatasetRef> ref = ParseDatasetRef(request.dataset());
    if (!ref.ok()) return ref.status();
    const absl::StatusOr<Dataset> dataset =
        DatasetStore(EvaluationRecords::Of(services_.database->store()), principal.tenant).Get(*ref);
    if (!dataset.ok()) return dataset.status();
    AskRequest ask;
    ask.principal = principal;
    ask.tree = PipelineTrees(*services_.embedders);
    absl::StatusOr<std::shared_ptr<ModelRoute>> route = services_.RouteFor(principal.tenant);
    if (!route.ok()) return route.status();
    if (absl::Status status = UsePipeline(*pipeline, route->get(), &ask); !status.ok()) return status;
    // One version for all questions.
    absl::StatusOr<ReadAt> at = ReadAtOf(request.at());
    if (!at.ok()) return at.status();
    const auto collection = services_.database->GetCollection(principal, ask.collection);
    if (!collection.ok()) return collection.status();
    const absl::StatusOr<Version> version = (*collection)->Resolve(*at);
    if (!version.ok()) return version.status();
    ask.at = {*version};
    const absl::StatusOr<CalibrationRun> run = RunCalibration(
        *services_.database, *services_.embedders, ask, *dataset, options);
    if (!run.ok()) return run.status();
    const absl::StatusOr<CalibrationChoice> choice = ChooseThreshold(run->samples, target);
    if (!choice.ok()) return choice.status();
    result->set_pipeline(absl::StrCat((*pipeline)->spec.name, "@", (*pipeline)->number));
    result->set_dataset(absl::StrCat(dataset->info.name, "@", dataset->info.version));
    result->set_collection((*collection)->info().name);
    result->set_version(version->value);
    result->set_confidence(target.confidence);
    Fill(*run, *choice, (*pipeline)->spec.guard.min_grounding, result);
    return request.store() ? Store(**pipeline, *choice, context, result) : absl::OkStatus();
  }

  static void Fill(const CalibrationRun& run, const CalibrationChoice& choice, double before,
                   v1::CalibrationResult* result) {
    result->set_questions(run.samples.size());
    result->set_unanswerable(run.unanswerable);
    result->set_skipped(run.skipped);
    result->set_errors(run.errors);
    for (const CalibrationPoint& point : RiskCoverageCurve(run.samples))
      FillPoint(point, result->add_curve());
    result->set_met(choice.met);
    FillPoint(choice.chosen, result->mutable_chosen());
    result->set_risk_bound(choice.risk_bound);
    result->set_risk_low(choice.risk.low);
    result->set_risk_high(choice.risk.high);
    result->set_coverage_low(choice.coverage.low);
    result->set_coverage_high(choice.coverage.high);
    result->set_aurc(Aurc(run.samples));
    FillPoint(PointAt(run.samples, before), result->mutable_before());
    result->set_method(kMethod);
  }

  absl::Status Store(const PipelineVersion& pipeline, const CalibrationChoice& choice,
                     const grpc::ServerContext& context, v1::CalibrationResult* result) const {
    if (!choice.met) {
      return absl::FailedPreconditionError(absl::StrCat(
          "no threshold meets the target on this dataset: the nearest is ",
          choice.chosen.threshold, " with a risk of at most ", choice.risk_bound, " at a coverage of ",
          choice.chosen.coverage, "; nothing is stored"));
    }
    const std::string tenant = PrincipalOf(context).tenant;
    PipelineSpec spec = pipeline.spec;
    spec.guard.min_grounding = choice.chosen.threshold;
    absl::StatusOr<PipelineStore::Applied> applied =
        Pipelines().Apply(tenant, spec, /*dry_run=*/true);
    if (!applied.ok()) return applied.status();
    if (applied->changed) {
      const absl::Status allowed =
          AskHooks(services_.hooks,
                   BeforeEvent(tenant, "before.pipeline", absl::StrCat("pipeline/", spec.name),
                               PipelineToJson(spec), services_.database->clock().NowMicros()),
                   CancelOf(context));
      if (!allowed.ok()) return allowed;
    }
    applied = Pipelines().Apply(tenant, spec, /*dry_run=*/false, ActorOf(context));
    if (!applied.ok()) return applied.status();
    v1::Pipeline* stored = result->mutable_stored();
    FillPipelineSpec(applied->version.spec, stored->mutable_spec());
    stored->set_number(applied->version.number);
    stored->set_hash(applied->version.hash);
    stored->set_created_us(applied->version.created_us);
    stored->set_canonical(PipelineToJson(applied->version.spec));
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewCalibrationService(const ServiceContext& context) {
  return std::make_unique<CalibrationService>(context);
}

}  // namespace vouch
