#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/drift_services.h"
#include "api/metrics.h"
#include "api/version.h"
#include "rag/answer_id.h"
#include "rag/eval/evaluation.h"
#include "rag/eval/pipeline_subject.h"
#include "rag/migrate/migration.h"
#include "rag/pipeline_store.h"

namespace vouch {
namespace {

Principal DriftPrincipal(const std::string& tenant) {
  return {.tenant = tenant, .subject = "drift", .groups = {}};
}

// The record of an evaluation that is about to begin, as far as it is known before.
EvaluationRecord NewRecord(const SubjectVersions& versions, const DatasetInfo& dataset,
                           const EvaluationOptions& options, int64_t now_us) {
  EvaluationRecord record;
  record.created_us = now_us;
  record.id = MakeUuidV7(now_us, RandomBytes());
  record.dataset = dataset.name;
  record.dataset_version = dataset.version;
  record.dataset_hash = dataset.hash;
  record.collection = versions.collection;
  record.version = versions.version.value;
  record.mode = versions.mode;
  record.pipeline = versions.pipeline;
  record.pipeline_hash = versions.pipeline_hash;
  record.answers = options.answers;
  record.depth = options.depth;
  record.context_chunks = options.context_chunks;
  record.engine = kProgramVersion;
  record.questions = dataset.questions;
  return record;
}

// The one that an earlier try for the alarm began, or a new one. Never one that somebody else runs.
absl::StatusOr<std::string> EvaluateFor(const ServiceContext& services, const DriftStart& start) {
  Store& store = services.database->store();
  const Clock& clock = services.database->clock();
  EvaluationStore evaluations(EvaluationRecords::Of(store), start.tenant);
  std::optional<EvaluationRecord> begun;
  if (!start.action.id.empty()) {
    absl::StatusOr<EvaluationRecord> record = evaluations.Get(start.action.id);
    if (!record.ok() && !absl::IsNotFound(record.status())) return record.status();
    if (record.ok()) begun = *std::move(record);
  }
  if (begun && begun->finished) return absl::StrCat("evaluation ", begun->id);
  // Of one that was begun the same version, wherever the alias leads by now.
  const absl::StatusOr<std::shared_ptr<const PipelineVersion>> pipeline =
      PipelineStore(store, clock).Get(start.tenant, begun ? begun->pipeline : start.spec.evaluate_pipeline);
  if (!pipeline.ok()) return pipeline.status();
  const absl::StatusOr<DatasetRef> dataset = ParseDatasetRef(start.spec.evaluate_dataset);
  if (!dataset.ok()) return dataset.status();
  const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services.RouteFor(start.tenant);
  if (!route.ok()) return route.status();
  PipelineSubjectOptions described{.pipeline = *pipeline,
                                   .answers = true,
                                   .route = route->get(),
                                   .tree = PipelineTrees(*services.embedders),
                                   .principal = DriftPrincipal(start.tenant)};
  if (begun) described.at = {Version(begun->version)};
  EvaluationOptions options;
  options.dataset = *dataset;
  options.answers = "pipeline";
  options.depth = described.depth;
  options.context_chunks = (*pipeline)->spec.retrieve.chunks;
  options.keep_every = 1;  // an answer may cost money
  options.actor = absl::StrCat(start.tenant, "/drift");
  options.cancel = start.cancel;
  const absl::StatusOr<std::unique_ptr<EvaluationSubject>> subject =
      NewPipelineSubject(*services.database, *services.embedders, described);
  if (!subject.ok()) return subject.status();
  if (!begun) {
    const absl::StatusOr<DatasetInfo> info =
        DatasetStore(EvaluationRecords::Of(store), start.tenant).GetInfo(*dataset);
    if (!info.ok()) return info.status();
    begun = NewRecord((*subject)->versions(), *info, options, clock.NowMicros());
    if (absl::Status status = start.begun(begun->id); !status.ok()) return status;
    if (absl::Status status = evaluations.Put(*begun); !status.ok()) return status;
  }
  const absl::StatusOr<EvaluationRecord> record =
      Evaluator(store, clock, start.tenant).Resume(*begun, **subject, options);
  if (!record.ok()) return record.status();
  return absl::StrCat("evaluation ", record->id);
}

// Built and compared; aliases move by who says so.
absl::StatusOr<std::string> ReembedFor(const ServiceContext& services, const DriftStart& start) {
  const absl::StatusOr<std::shared_ptr<ModelRoute>> route = services.RouteFor(start.tenant);
  if (!route.ok()) return route.status();
  MigrationRequest request;
  request.collection = start.alarm.collection;
  request.field = start.alarm.field;
  request.embedder = start.spec.reembed_with;
  request.switch_over = false;
  request.unchecked = true;  // nothing is switched by it
  if (*route != nullptr) request.prices = &(*route)->spec().prices;
  request.principal = DriftPrincipal(start.tenant);
  request.cancel = start.cancel;
  const absl::StatusOr<MigrationReport> report =
      Migrator(*services.database, *services.embedders).Migrate(request, [](const MigrationProgress&) {});
  if (!report.ok()) return report.status();
  return absl::StrCat("migration of ", report->record.source, " to ", report->record.target, ": ",
                      std::string(MigrationStateName(report->record.state)));
}

}  // namespace

DriftMonitor MakeDriftMonitor(const ServiceContext& context) {
  DriftMonitorOptions options;
  options.starters.evaluate = [&context](const DriftStart& start) {
    return EvaluateFor(context, start);
  };
  options.starters.reembed = [&context](const DriftStart& start) {
    return ReembedFor(context, start);
  };
  options.on_look = [&context](const KindLook& look, bool began) {
    context.metrics->CountDriftLook(DriftKindName(look.kind), DriftVerdictName(look.verdict), began);
  };
  return DriftMonitor(*context.database, *context.embedders, std::move(options));
}

}  // namespace vouch
