#pragma once

#include "api/cli/command.h"

namespace vouch {

void AddGpuCommand(CLI::App& app, Invocation& invocation);

}  // namespace vouch
