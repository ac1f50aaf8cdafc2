#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "api/cli/invocation.h"

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

// Which of the shared options a command takes. All take --json, --quiet and --config.
enum class CommandKind {
  kClient,   // speaks to --server, or opens --data
  kOffline,  // works on files; --data where it reads a store
  kServer,   // every setting is a visible option
};

struct CommandText {
  std::string name;
  std::string summary;
  std::string example;  // lines that can be typed
};

// Adds a command with the shared options. `run` is called once the command line is parsed; its
// status is the program's result (RunProgram).
CLI::App* AddCommand(CLI::App& parent, Invocation& invocation, CommandKind kind,
                     const CommandText& text, std::function<absl::Status()> run);

// A command that only groups others.
CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& summary);

// One command a file.
void AddAlterCommands(CLI::App& group, Invocation& invocation);  // of AddCollectionCommands
void AddAnswerCommands(CLI::App& app, Invocation& invocation);
void AddApplyCommand(CLI::App& app, Invocation& invocation);
void AddAuditCommands(CLI::App& app, Invocation& invocation);
void AddAskCommand(CLI::App& app, Invocation& invocation);
void AddBackupCommands(CLI::App& app, Invocation& invocation);
void AddBudgetCommands(CLI::App& app, Invocation& invocation);
void AddCalibrateCommand(CLI::App& app, Invocation& invocation);
void AddCollectionCommands(CLI::App& app, Invocation& invocation);
void AddEvalCommands(CLI::App& app, Invocation& invocation);
void AddTuneCommands(CLI::App& app, Invocation& invocation);
void AddGateCommands(CLI::App& app, Invocation& invocation);
void AddHookCommands(CLI::App& app, Invocation& invocation);
void AddIngestCommand(CLI::App& app, Invocation& invocation);
void AddAliasCommands(CLI::App& app, Invocation& invocation);
void AddDiffCommand(CLI::App& app, Invocation& invocation);
void AddExportCommand(CLI::App& app, Invocation& invocation);
void AddImportCommand(CLI::App& app, Invocation& invocation);
void AddPointCommands(CLI::App& app, Invocation& invocation);
void AddPointWriteCommands(CLI::App& group, Invocation& invocation);  // of AddPointCommands
void AddLineageCommand(CLI::App& app, Invocation& invocation);
void AddMigrateCommands(CLI::App& app, Invocation& invocation);
void AddPipelineCommands(CLI::App& app, Invocation& invocation);
void AddPromoteCommands(CLI::App& app, Invocation& invocation);  // and `rollback`
void AddQueryCommand(CLI::App& app, Invocation& invocation);
void AddReplayCommand(CLI::App& app, Invocation& invocation);
void AddRestoreCommand(CLI::App& app, Invocation& invocation);
void AddServeCommand(CLI::App& app, Invocation& invocation);
void AddSloCommands(CLI::App& app, Invocation& invocation);
void AddTagCommands(CLI::App& app, Invocation& invocation);
void AddVerifyCommand(CLI::App& app, Invocation& invocation);
void AddVersionCommand(CLI::App& app, Invocation& invocation);

// Text to standard output as it is.
void Print(const std::string& text);

}  // namespace vouch
