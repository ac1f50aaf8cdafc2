#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

class Invocation;

void AddExperimentCommands(CLI::App& app, Invocation& invocation);
void AddFeedbackCommands(CLI::App& app, Invocation& invocation);

}  // namespace vouch
