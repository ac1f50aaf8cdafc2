#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

class Invocation;

// `vouch answer verify`, of AddAnswerCommands.
void AddAnswerVerifyCommand(CLI::App& group, Invocation& invocation);
void AddForgetCommand(CLI::App& app, Invocation& invocation);

}  // namespace vouch
