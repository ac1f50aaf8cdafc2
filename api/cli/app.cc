#include "api/cli/app.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "api/cli/command.h"
#include "api/cli/cost_command.h"
#include "api/cli/drift_commands.h"
#include "api/cli/evaluation_commands.h"
#include "api/cli/experiment_commands.h"
#include "api/cli/gpu_command.h"
#include "api/cli/invocation.h"
#include "api/cli/record_commands.h"
#include "api/cli/usage.h"
#include "api/version.h"

namespace vouch {
namespace {

std::optional<std::string> SystemEnvironment(const std::string& variable) {
  const char* value = std::getenv(variable.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

void AddCommands(CLI::App& app, Invocation& invocation) {
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("vouch ") + kProgramVersion);
  app.footer(
      "vouch COMMAND --help says more. A first try:\n"
      "  vouch ingest notes ~/notes\n"
      "  vouch ask notes 'What did we decide?'");
  AddIngestCommand(app, invocation);
  AddQueryCommand(app, invocation);
  AddAskCommand(app, invocation);
  AddAnswerCommands(app, invocation);
  AddApplyCommand(app, invocation);
  AddPipelineCommands(app, invocation);
  AddBudgetCommands(app, invocation);
  AddCostCommand(app, invocation);
  AddCalibrateCommand(app, invocation);
  AddReplayCommand(app, invocation);
  AddLineageCommand(app, invocation);
  AddForgetCommand(app, invocation);
  AddCollectionCommands(app, invocation);
  AddPointCommands(app, invocation);
  AddImportCommand(app, invocation);
  AddExportCommand(app, invocation);
  AddTagCommands(app, invocation);
  AddAliasCommands(app, invocation);
  AddDiffCommand(app, invocation);
  AddDatasetCommands(app, invocation);
  AddEvalCommands(app, invocation);
  AddTuneCommands(app, invocation);
  AddPromoteCommands(app, invocation);
  AddGateCommands(app, invocation);
  AddSloCommands(app, invocation);
  AddDriftCommands(app, invocation);
  AddExperimentCommands(app, invocation);
  AddFeedbackCommands(app, invocation);
  AddHookCommands(app, invocation);
  AddAuditCommands(app, invocation);
  AddMigrateCommands(app, invocation);
  AddServeCommand(app, invocation);
  AddBackupCommands(app, invocation);
  AddRestoreCommand(app, invocation);
  AddVerifyCommand(app, invocation);
  AddGpuCommand(app, invocation);
  AddVersionCommand(app, invocation);
}

int ReportOutcome(const absl::Status& outcome) {
  // Output that could not be written (a full disk) is a failure like any other.
  if (std::fflush(stdout) != 0 && outcome.ok()) {
    std::fprintf(stderr, "error: standard output cannot be written\n");
    return kExitFailure;
  }
  if (outcome.ok()) return 0;
  if (IsUsageError(outcome)) {
    std::fprintf(stderr, "error: %s\n", std::string(outcome.message()).c_str());
    return kExitUsage;
  }
  std::fprintf(stderr, "error (%s): %s\n", absl::StatusCodeToString(outcome.code()).c_str(),
               std::string(outcome.message()).c_str());
  return kExitFailure;
}

}  // namespace

int RunProgram(int argc, char** argv) {
  // gRPC tells of failed connections by itself; the status of the call says the same in our words.
  if (!SystemEnvironment("GRPC_VERBOSITY").has_value())
    gpr_set_log_function([](gpr_log_func_args*) {});
  // Otherwise whoever reaches the server could fill its log with messages that are not UTF-8.
  google::protobuf::SetLogHandler(nullptr);
  try {
    CLI::App app("A vector database and RAG engine whose every answer can be vouched for.",
                 "vouch");
    Invocation invocation(SystemEnvironment);
    AddCommands(app, invocation);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      // Help and version come as errors, too.
      if (error.get_exit_code() == 0) return app.exit(error, std::cout, std::cerr);
      std::fputs(ExplainUsage(app, argc, argv, error).c_str(), stderr);
      return kExitUsage;
    }
    return ReportOutcome(invocation.outcome);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return kExitFailure;
  }
}

}  // namespace vouch
