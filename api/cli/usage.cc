#include "api/cli/usage.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "api/nearest.h"

namespace vouch {
namespace {

// A word that is so far from every name is no slip of the finger.
constexpr size_t kMostEdits = 3;

std::string Suggestion(const std::string& word, const std::vector<std::string>& names) {
  const std::string nearest = NearestName(word, names, std::min(kMostEdits, word.size() / 2));
  return nearest.empty() ? "" : absl::StrCat("; the nearest is '", nearest, "'");
}

std::vector<std::string> CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// Names of errors are of no use: some have the command's.
bool Is(const CLI::ParseError& error, CLI::ExitCodes code) {
  return error.get_exit_code() == static_cast<int>(code);
}

bool IsGroup(const CLI::App& app) { return app.get_require_subcommand_min() > 0; }

// The command that the words lead to, by name.
struct UsagePlace {
  const CLI::App* app;
  std::string path;
  std::string unknown = {};  // the word that should have been a command of a group, and is none
};
UsagePlace FindCommand(const CLI::App& app, int argc, const char* const* argv) {
  UsagePlace place{.app = &app, .path = app.get_name()};
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) break;
    const auto commands = place.app->get_subcommands(
        [&word](const CLI::App* command) { return command->get_name() == word; });
    if (commands.empty()) {
      if (IsGroup(*place.app)) place.unknown = word;
      break;
    }
    place.app = commands.front();
    absl::StrAppend(&place.path, " ", word);
  }
  return place;
}

std::string ExplainExtras(const UsagePlace& place) {
  std::vector<std::string> words = place.app->remaining();
  for (const std::string& word : words) {
    if (!word.starts_with('-')) continue;
    const std::string option = word.substr(0, word.find('='));
    std::vector<std::string> options;
    for (const CLI::Option* known : place.app->get_options()) {
      for (const std::string& name : known->get_lnames()) options.push_back("--" + name);
    }
    return absl::StrCat("'", place.path, "' has no option '", option, "'",
                        Suggestion(option, options));
  }
  return absl::StrCat("'", place.path, "' does not know what to do with '",
                      absl::StrJoin(words, " "), "'; a text of several words stands in quotes");
}

}  // namespace

std::string ExplainUsage(const CLI::App& app, int argc, const char* const* argv,
                         const CLI::ParseError& error) {
  const UsagePlace place = FindCommand(app, argc, argv);
  std::string out = "error: ";
  if (IsGroup(*place.app)) {
    const std::vector<std::string> commands = CommandsOf(*place.app);
    if (!place.unknown.empty()) {
      absl::StrAppend(&out, "'", place.path, "' has no command '", place.unknown, "'",
                      Suggestion(place.unknown, commands), "; it has ");
    } else if (Is(error, CLI::ExitCodes::ExtrasError)) {
      absl::StrAppend(&out, ExplainExtras(place), "; its commands are ");
    } else {
      absl::StrAppend(&out, "'", place.path, "' needs a command; it has ");
    }
    absl::StrAppend(&out, absl::StrJoin(commands, ", "));
  } else if (Is(error, CLI::ExitCodes::ExtrasError)) {
    absl::StrAppend(&out, ExplainExtras(place));
  } else {
    absl::StrAppend(&out, error.what());
    if (Is(error, CLI::ExitCodes::RequiredError)) absl::StrAppend(&out, "\n", place.app->get_footer());
  }
  return absl::StrCat(out, "\n`", place.path, " --help` says more.\n");
}

}  // namespace vouch
