#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/drift_services.h"
#include "api/metrics.h"
#include "rag/eval/evaluation.h"
#include "rag/eval/pipeline_subject.h"
#include "rag/migrate/migration.h"
#include "rag/pipeline_store.h"

namespace vouch {
namespace {

Principal DriftPrincipal(const std::string& tenant) {
  return {.tenant = tenant, .subject = "drift", .groups = {}};
}

// One that an earlier try for the alarm began, or a new one.
absl::StatusOr<std::string> EvaluateFor(const ServiceContext& services, const std::string& tenant,
                                        const DriftSpec& spec, const DriftAlarm& alarm,
                                        const CancelToken& cancel) {
  Store& store = services.database->store();
  const absl::StatusOr<std::shared_ptr<const PipelineVersion>> pipeline =
      PipelineStore(store, services.database->clock()).Get(tenant, spec.evaluate_pipeline);
  if (!pipeline.ok()) return pipeline.status();
  absl::StatusOr<DatasetRef> dataset = ParseDatasetRef(spec.evaluate_dataset);
  if (!dataset.ok()) return dataset.status();
  const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services.RouteFor(tenant);
  if (!route.ok()) return route.status();
  PipelineSubjectOptions described{.pipeline = *pipeline,
                                   .answers = true,
                                   .route = route->get(),
                                   .tree = PipelineTrees(*services.embedders),
                                   .principal = DriftPrincipal(tenant)};
  EvaluationOptions options;
  options.dataset = *dataset;
  options.answers = "pipeline";
  options.depth = described.depth;
  options.context_chunks = (*pipeline)->spec.retrieve.chunks;
  options.keep_every = 1;  // an answer may cost money
  options.actor = absl::StrCat(tenant, "/drift");
  options.cancel = cancel;
  constexpr size_t kLookedThrough = 100;
  const absl::StatusOr<std::vector<EvaluationRecord>> records =
      EvaluationStore(EvaluationRecords::Of(store), tenant).List(kLookedThrough);
  if (!records.ok()) return records.status();
  const std::string name = absl::StrCat((*pipeline)->spec.name, "@", (*pipeline)->number);
  const EvaluationRecord* begun = nullptr;
  for (const EvaluationRecord& record : *records) {
    if (record.created_us >= alarm.time_us && record.pipeline == name &&
        record.dataset == dataset->name)
      begun = &record;
  }
  if (begun != nullptr && begun->finished) return absl::StrCat("evaluation ", begun->id);
  if (begun != nullptr) described.at = {Version(begun->version)};
  const absl::StatusOr<std::unique_ptr<EvaluationSubject>> subject =
      NewPipelineSubject(*services.database, *services.embedders, described);
  if (!subject.ok()) return subject.status();
  Evaluator evaluator(store, services.database->clock(), tenant);
  const absl::StatusOr<EvaluationRecord> record =
      begun != nullptr ? evaluator.Resume(*begun, **subject, options)
                       : evaluator.Run(**subject, options);
  if (!record.ok()) return record.status();
  return absl::StrCat("evaluation ", record->id);
}

// Built and compared; aliases move by who says so.
absl::StatusOr<std::string> ReembedFor(const ServiceContext& services, const std::string& tenant,
                                       const DriftSpec& spec, const DriftAlarm& alarm,
                                       const CancelToken& cancel) {
  const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services.RouteFor(tenant);
  if (!route.ok()) return route.status();
  MigrationRequest request;
  request.collection = alarm.collection;
  request.field = alarm.field;
  request.embedder = spec.reembed_with;
  request.switch_over = false;
  request.unchecked = true;  // nothing is switched by it
  if (*route != nullptr) request.prices = &(*route)->spec().prices;
  request.principal = DriftPrincipal(tenant);
  request.cancel = cancel;
  const absl::StatusOr<MigrationReport> report =
      Migrator(*services.database, *services.embedders).Migrate(request, [](const MigrationProgress&) {});
  if (!report.ok()) return report.status();
  return absl::StrCat("migration of ", report->record.source, " to ", report->record.target, ": ",
                      std::string(MigrationStateName(report->record.state)));
}

}  // namespace

DriftMonitor MakeDriftMonitor(const ServiceContext& context) {
  DriftMonitorOptions options;
  options.starters.evaluate = [&context](const std::string& tenant, const DriftSpec& spec,
                                         const DriftAlarm& alarm, const CancelToken& cancel) {
    return EvaluateFor(context, tenant, spec, alarm, cancel);
  };
  options.starters.reembed = [&context](const std::string& tenant, const DriftSpec& spec,
                                        const DriftAlarm& alarm, const CancelToken& cancel) {
    return ReembedFor(context, tenant, spec, alarm, cancel);
  };
  options.on_look = [&context](const KindLook& look, bool began) {
    context.metrics->CountDriftLook(DriftKindName(look.kind), DriftVerdictName(look.verdict), began);
  };
  return DriftMonitor(*context.database, *context.embedders, std::move(options));
}

}  // namespace vouch
