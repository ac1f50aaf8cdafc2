#pragma once

#include "api/cli/command.h"

namespace vouch {

void AddDatasetCommands(CLI::App& app, Invocation& invocation);
void AddDatasetGrowCommand(CLI::App& group, Invocation& invocation);  // of AddDatasetCommands
// In the group `eval`: run, list, show, compare.
void AddEvaluationCommands(CLI::App& group, Invocation& invocation);

}  // namespace vouch
