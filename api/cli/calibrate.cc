// `vouch calibrate`: when a pipeline should rather not answer.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/command.h"
#include "api/cli/long_call.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "vouch/v1/calibration.grpc.pb.h"

namespace vouch {
namespace {

struct CalibrateOptions {
  v1::CalibrateRequest request = {};
  double risk = 0.1;
  double coverage = 0;
};

std::string Share(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

std::vector<std::string> RowOf(const v1::CalibrationPoint& point) {
  return {absl::StrFormat("%.4g", point.threshold()), FormatCount(point.answered()),
          FormatCount(point.wrong()), Share(point.coverage()), Share(point.risk())};
}

std::string FormatResult(const v1::CalibrationResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const v1::CalibrationPoint& point : result.curve()) rows.push_back(RowOf(point));
  std::string out = absl::StrCat(
      result.pipeline(), " on dataset ", result.dataset(), ", ", result.collection(), " at version ",
      result.version(), ": ", result.questions(), " questions, ", result.unanswerable(),
      " of them unanswerable",
      result.skipped() == 0 ? "" : absl::StrCat("; ", result.skipped(), " without a reference left out"),
      result.errors() == 0 ? "" : absl::StrCat("; ", result.errors(), " failed"), "\n",
      FormatTable({"min_grounding", "answered", "wrong", "coverage", "risk"}, rows));
  const v1::CalibrationPoint& chosen = result.chosen();
  absl::StrAppend(&out, "\n",
                  result.met() ? "Chosen: " : "No threshold meets the target. The nearest: ",
                  "min_grounding ", absl::StrFormat("%.4g", chosen.threshold()), ", risk ",
                  Share(chosen.risk()), " [", Share(result.risk_low()), ", ",
                  Share(result.risk_high()), "], coverage ", Share(chosen.coverage()), " [",
                  Share(result.coverage_low()), ", ", Share(result.coverage_high()), "]\n",
                  "The risk is below ", Share(result.risk_bound()), " with ",
                  Share(result.confidence()), " confidence, for questions like these\n",
                  "Before: min_grounding ", absl::StrFormat("%.4g", result.before().threshold()),
                  ", risk ", Share(result.before().risk()), ", coverage ",
                  Share(result.before().coverage()), "\n");
  if (result.has_stored()) {
    absl::StrAppend(&out, "Stored as ", result.stored().spec().name(), "@",
                    result.stored().number(), "\n");
  } else if (result.met()) {
    absl::StrAppend(&out, "\nFor the pipeline's file (--store keeps it as the next version):\n",
                    "  guard:\n    min_grounding: ", absl::StrFormat("%.4g", chosen.threshold()),
                    "\n");
  }
  return out;
}

absl::Status RunCalibrate(Invocation& invocation, const CalibrateOptions& options) {
  v1::CalibrateRequest request = options.request;
  if (options.coverage > 0) {
    request.set_coverage(options.coverage);
  } else {
    request.set_risk(options.risk);
  }
  invocation.uses_models = true;
  invocation.uses_hooks = true;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Calibration::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  Progress progress = invocation.MakeProgress();
  const auto reader = stub->Calibrate(&context, request);
  v1::CalibrationResult result;
  grpc::Status status = ReadLongCall(*reader, progress, "asking questions", &result);
  if (!status.ok()) return (*connection)->Explain(status);
  Print(invocation.json ? FormatJson(MessageToJson(result)) : FormatResult(result));
  return absl::OkStatus();
}

}  // namespace

void AddCalibrateCommand(CLI::App& app, Invocation& invocation) {
  auto options = std::make_shared<CalibrateOptions>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kClient,
      {"calibrate", "Find the threshold below which a pipeline should not answer",
       "  vouch calibrate support --dataset support-questions --target-risk 0.05\n"
       "  vouch calibrate support --dataset support-questions --target-coverage 0.8 --store\n"
       "The dataset holds questions with reference answers, and unanswerable ones; each is asked of\n"
       "the models once, without a threshold."},
      [&invocation, options] { return RunCalibrate(invocation, *options); });
  command
      ->add_option_function<std::string>(
          "pipeline",
          [options](const std::string& value) { options->request.set_pipeline(value); },
          "NAME, NAME@NUMBER or NAME@ALIAS")
      ->required();
  command
      ->add_option_function<std::string>(
          "--dataset", [options](const std::string& value) { options->request.set_dataset(value); },
          "NAME (the latest) or NAME@VERSION")
      ->required();
  CLI::Option* risk =
      command
          ->add_option("--target-risk", options->risk,
                       "at most so many of the given answers are wrong (default 0.1)")
          ->check(CLI::Range(0.0001, 0.9999));
  command
      ->add_option("--target-coverage", options->coverage,
                   "instead: at least so many of the questions are answered")
      ->check(CLI::Range(0.0001, 1.0))
      ->excludes(risk);
  command
      ->add_option_function<double>(
          "--confidence", [options](double value) { options->request.set_confidence(value); },
          "of the bound on the risk and of the intervals (default 0.95)")
      ->check(CLI::Range(0.5, 0.9999));
  command
      ->add_option_function<uint32_t>(
          "--parallel", [options](uint32_t value) { options->request.set_parallel(value); },
          "questions at a time, 1 to 32 (default 2)")
      ->check(CLI::Range(1, 32));
  command->add_option_function<std::string>(
      "--at", [options](const std::string& value) { options->request.set_at(value); },
      "version or tag of the collection (default: the latest)");
  command->add_flag_function(
      "--store", [options](int64_t) { options->request.set_store(true); },
      "keep the pipeline with the threshold as its next version");
}

}  // namespace vouch
