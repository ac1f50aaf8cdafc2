// `vouch export mlflow`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/cli/command.h"
#include "api/cli/export_commands.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "rag/export/mlflow.h"
#include "vouch/v1/evaluations.grpc.pb.h"
#include "vouch/v1/pipelines.grpc.pb.h"

namespace vouch {
namespace {

struct MlflowOptions {
  std::string url;
  std::string experiment = "vouch";
  uint32_t limit = 100;
};

// Parameters of MLflow are texts, and none is empty.
void AddParam(const std::string& key, const std::string& value, MlflowRun* run) {
  if (!value.empty()) run->params[key] = value;
}

MlflowRun RunOf(const v1::EvaluationSummary& evaluation) {
  MlflowRun run;
  run.evaluation = evaluation.id();
  run.start_ms = evaluation.created_us() / 1000;
  run.end_ms = evaluation.finished_us() / 1000;
  const std::string dataset = absl::StrCat(evaluation.dataset(), "@", evaluation.dataset_version());
  run.name = absl::StrCat(evaluation.pipeline().empty() ? evaluation.collection() : evaluation.pipeline(), " on ", dataset);
  AddParam("collection", evaluation.collection(), &run);
  AddParam("collection_version", absl::StrCat(evaluation.version()), &run);
  AddParam("pipeline", evaluation.pipeline(), &run);
  AddParam("mode", evaluation.mode(), &run);
  AddParam("answers", evaluation.answers(), &run);
  AddParam("depth", absl::StrCat(evaluation.depth()), &run);
  AddParam("context_chunks", absl::StrCat(evaluation.context_chunks()), &run);
  AddParam("embedder", evaluation.embedder(), &run);
  AddParam("fusion", evaluation.fusion(), &run);
  AddParam("generator", evaluation.generator(), &run);
  AddParam("dataset", dataset, &run);
  for (const v1::MetricSummary& metric : evaluation.metrics()) {
    if (metric.has_mean()) run.metrics[metric.name()] = metric.mean();
    if (metric.has_low()) run.metrics[metric.name() + ".low"] = metric.low();
    if (metric.has_high()) run.metrics[metric.name() + ".high"] = metric.high();
    // A figure that is no number is counted, and never averaged.
    if (metric.missing() > 0) run.metrics[metric.name() + ".missing"] = static_cast<double>(metric.missing());
  }
  run.metrics["questions"] = static_cast<double>(evaluation.questions());
  run.metrics["errors"] = static_cast<double>(evaluation.errors());
  run.tags = {{"vouch.engine", evaluation.engine()}, {"mlflow.source.name", "vouch"}};
  if (!evaluation.pipeline().empty()) {
    run.tags["vouch.pipeline"] = evaluation.pipeline();
    run.tags["vouch.pipeline_hash"] = evaluation.pipeline_hash();
  }
  run.dataset = evaluation.dataset();
  run.digest = evaluation.dataset_hash();
  run.source = "vouchdb://dataset/" + dataset;
  return run;
}

absl::StatusOr<std::vector<MlflowRun>> ReadRuns(Invocation& invocation, uint32_t limit) {
  v1::ListEvaluationsRequest request;
  request.set_limit(limit);
  v1::ListEvaluationsResponse reply;
  const absl::Status status = CallService<v1::Evaluations>(
      invocation, [&](auto& stub, auto& context) { return stub.ListEvaluations(&context, request, &reply); });
  if (!status.ok()) return status;
  std::vector<MlflowRun> runs;
  // The oldest first, as they were made.
  for (int i = reply.evaluations_size() - 1; i >= 0; --i)
    if (reply.evaluations(i).finished()) runs.push_back(RunOf(reply.evaluations(i)));
  return runs;
}

absl::StatusOr<std::vector<MlflowModel>> ReadModels(Invocation& invocation) {
  v1::ListPipelinesResponse reply;
  absl::Status status = CallService<v1::Pipelines>(invocation, [&](auto& stub, auto& context) {
    return stub.ListPipelines(&context, v1::ListPipelinesRequest(), &reply);
  });
  if (!status.ok()) return status;
  std::vector<MlflowModel> models;
  for (const v1::Pipeline& latest : reply.pipelines()) {
    MlflowModel model{.name = latest.spec().name(), .description = latest.spec().description()};
    for (const v1::PipelineAlias& alias : latest.aliases()) model.aliases[alias.name()] = alias.number();
    for (uint64_t number = 1; number <= latest.number(); ++number) {
      v1::GetPipelineRequest request;
      request.set_name(absl::StrCat(model.name, "@", number));
      v1::Pipeline version;
      status = CallService<v1::Pipelines>(
          invocation, [&](auto& stub, auto& context) { return stub.GetPipeline(&context, request, &version); });
      if (!status.ok()) return status;
      model.versions.push_back({.number = number, .hash = version.hash(), .source = "vouchdb://pipeline/" + request.name()});
    }
    models.push_back(std::move(model));
  }
  return models;
}

struct MlflowCounts {
  size_t runs = 0;  // of the store
  uint64_t written = 0;
  size_t models = 0;
};

void PrintOutcome(const Invocation& invocation, const MlflowOptions& options, const MlflowCounts& counts,
                  const MlflowClient::ModelOutcome& outcome) {
  if (invocation.json) {
    Print(FormatJson({{"runs", counts.written},
                      {"runs_there", counts.runs - counts.written},
                      {"models", counts.models},
                      {"versions", outcome.versions},
                      {"aliases", outcome.aliases},
                      {"skipped", outcome.skipped}}));
    return;
  }
  Print(absl::StrCat(FormatCounted(counts.written, "run"), " written to experiment ", options.experiment, ", ",
                     counts.runs - counts.written, " there before\n", FormatCounted(counts.models, "registered model"), ": ",
                     FormatCounted(outcome.versions, "version"), " added, ", outcome.aliases,
                     outcome.aliases == 1 ? " alias" : " aliases", " moved\n"));
  for (const std::string& skipped : outcome.skipped) Print(absl::StrCat(skipped, "\n"));
}

absl::Status RunMlflow(Invocation& invocation, const MlflowOptions& options) {
  const std::string url = options.url.empty() ? invocation.Variable("MLFLOW_TRACKING_URI").value_or("") : options.url;
  if (url.empty()) return UsageError("mlflow takes --url, or the environment variable MLFLOW_TRACKING_URI");
  const auto runs = ReadRuns(invocation, options.limit);
  if (!runs.ok()) return runs.status();
  const auto models = ReadModels(invocation);
  if (!models.ok()) return models.status();
  const MlflowClient client(url, invocation.Variable("MLFLOW_TRACKING_TOKEN").value_or(""));
  const CancelToken cancel;
  const auto experiment = client.Experiment(options.experiment, cancel);
  if (!experiment.ok()) return experiment.status();
  uint64_t written = 0;
  for (const MlflowRun& run : *runs) {
    const auto put = client.PutRun(*experiment, run, cancel);
    if (!put.ok()) return put.status();
    written += *put ? 1 : 0;
  }
  MlflowClient::ModelOutcome outcome;
  std::vector<absl::Status> failed;  // one model that the registry refuses keeps no other from it
  for (const MlflowModel& model : *models) {
    const auto put = client.PutModel(model, cancel);
    if (!put.ok()) {
      failed.push_back(absl::Status(put.status().code(), absl::StrCat("pipeline ", model.name, ": ", put.status().message())));
      continue;
    }
    outcome.versions += put->versions;
    outcome.aliases += put->aliases;
    outcome.skipped.insert(outcome.skipped.end(), put->skipped.begin(), put->skipped.end());
  }
  PrintOutcome(invocation, options, {.runs = runs->size(), .written = written, .models = models->size() - failed.size()}, outcome);
  if (failed.empty()) return absl::OkStatus();
  std::vector<std::string> messages;
  for (const absl::Status& status : failed) messages.emplace_back(status.message());
  return absl::Status(failed.front().code(), absl::StrJoin(messages, "\n"));
}

}  // namespace

void AddMlflowExportCommand(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<MlflowOptions>();
  CLI::App* command =
      AddCommand(group, invocation, CommandKind::kClient,
                 {"mlflow", "Evaluations as runs and pipelines as registered models of an MLflow server",
                  "  vouch export mlflow --url http://127.0.0.1:5000\n"
                  "What is there already is left as it is. MLFLOW_TRACKING_TOKEN goes along as a bearer token."},
                 [&invocation, options] { return RunMlflow(invocation, *options); });
  command->add_option("--url", options->url, "the tracking server (default $MLFLOW_TRACKING_URI)")->type_name("URL");
  command->add_option("--experiment", options->experiment, "that the runs belong to (default vouch)")->type_name("NAME");
  command->add_option("--limit", options->limit, "the latest evaluations, 1 to 1000 (default 100)")->check(CLI::Range(1, 1'000));
}

}  // namespace vouch
