#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace vouch {

class Invocation;

// Of AddExportCommand: records in the words of others.
void AddRecordExportCommands(CLI::App& group, Invocation& invocation);  // openlineage, prov, bundle
void AddMlflowExportCommand(CLI::App& group, Invocation& invocation);

}  // namespace vouch
