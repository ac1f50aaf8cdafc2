#include "api/cli/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <utility>

namespace vouch {
namespace {

void AddSettings(CLI::App& command, Invocation& invocation, CommandKind kind) {
  for (const ConfigKey& key : ConfigKeys()) {
    const bool is_server = key.name == "server";
    if (is_server && kind != CommandKind::kClient) continue;
    if (key.name == "listen" && kind != CommandKind::kServer) continue;
    CLI::Option* option = command.add_option_function<std::string>(
        key.flag,
        [&invocation, name = key.name](const std::string& value) {
          invocation.flags[name] = value;
        },
        key.help);
    option->type_name(key.value_name);
    const bool shown = kind == CommandKind::kServer || is_server || key.name == "data";
    option->group(shown ? "Settings" : "");
  }
}

}  // namespace

CLI::App* AddCommand(CLI::App& parent, Invocation& invocation, CommandKind kind,
                     const CommandText& text, std::function<absl::Status()> run) {
  CLI::App* command = parent.add_subcommand(text.name, text.summary);
  command->footer("Example:\n" + text.example);
  command->add_flag("--json", invocation.json, "print JSON, for scripts");
  command->add_flag("-q,--quiet", invocation.quiet, "show no progress");
  command
      ->add_option("--config", invocation.config_path,
                   "YAML file of settings (default $VOUCH_CONFIG)")
      ->type_name("FILE")
      ->group("Settings");
  if (kind == CommandKind::kClient) {
    command
        ->add_option("--timeout", invocation.timeout_seconds,
                     "seconds after which a call is given up (default none)")
        ->type_name("S")
        ->check(CLI::PositiveNumber);
  }
  AddSettings(*command, invocation, kind);
  command->callback([&invocation, run = std::move(run)] { invocation.outcome = run(); });
  return command;
}

CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& summary) {
  CLI::App* group = parent.add_subcommand(name, summary);
  group->require_subcommand(1);
  return group;
}

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace vouch
