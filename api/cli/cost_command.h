#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

class Invocation;

// `vouch cost`.
void AddCostCommand(CLI::App& app, Invocation& invocation);

}  // namespace vouch
