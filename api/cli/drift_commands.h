#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

class Invocation;

void AddDriftCommands(CLI::App& app, Invocation& invocation);

}  // namespace vouch
