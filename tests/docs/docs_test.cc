// Runs what the documentation tells a user to type, and compares what it says comes out.
//
// In a page, ```sh blocks are run as they stand and must succeed. In ```console blocks each line that starts with "$ " is
// run, and the lines below it are what it prints, where … stands for any text, and a line of … alone for any lines. All
// blocks of a page share one shell in an empty folder. A block after the line <!-- not run --> is left alone.
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/model_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

struct Command {
  int line = 0;
  std::string text = {};
  bool checked = false;  // its output is part of the page
  std::vector<std::string> expected = {};
};

std::vector<Command> ReadPage(const std::string& path) {
  std::vector<Command> commands;
  std::ifstream in(path);
  std::string block;
  bool skip = false;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (block.empty()) {
      if (line == "```sh" || line == "```console") {
        block = skip ? "skipped" : line.substr(3);
        if (block == "sh") commands.push_back({.line = number + 1});
        skip = false;
      } else if (line.starts_with("```")) {
        block = "skipped";
      } else {
        skip = line == "<!-- not run -->" || (skip && line.empty());
      }
    } else if (line == "```") {
      block.clear();
    } else if (block == "sh") {
      commands.back().text += line + "\n";
    } else if (block == "console" && line.starts_with("$ ")) {
      commands.push_back({.line = number, .text = line.substr(2), .checked = true});
    } else if (block == "console" && !commands.empty()) {
      commands.back().expected.push_back(line);
    }
  }
  return commands;
}

bool LineMatches(const std::string& expected, const std::string& actual) {
  std::string pattern;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected.compare(i, 3, "…") == 0) {
      pattern += '*';
      i += 2;
    } else {
      if (std::string("*?[\\").find(expected[i]) != std::string::npos) pattern += '\\';
      pattern += expected[i];
    }
  }
  return ::fnmatch(pattern.c_str(), actual.c_str(), 0) == 0;
}

bool OutputMatches(const std::vector<std::string>& expected, size_t e, const std::vector<std::string>& actual, size_t a) {
  if (e == expected.size()) return a == actual.size();
  if (expected[e] == "…") {
    for (size_t next = a; next <= actual.size(); ++next) {
      if (OutputMatches(expected, e + 1, actual, next)) return true;
    }
    return false;
  }
  return a < actual.size() && LineMatches(expected[e], actual[a]) && OutputMatches(expected, e + 1, actual, a + 1);
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// Stands for a model: has an answer for each question of the pages.
ModelServer::Reply AnswerOfPages(size_t, const ModelServer::Request& request) {
  const std::string prompt = nlohmann::json::parse(request.body)["messages"][1]["content"];
  std::string answer = "I do not know.";
  if (prompt.ends_with("What do backups share?")) {
    answer = "Backups share the files that have not changed since the last backup [1].";
  } else if (prompt.ends_with("How long does a backup take?")) {
    answer = "A backup takes 7 minutes [1].";
  }
  return ChatStream(answer, 212, 14);
}

class DocsTest : public testing::TestWithParam<std::string> {};

TEST_P(DocsTest, DoesWhatItSays) {
  std::vector<Command> commands = ReadPage(GetParam());
  ASSERT_FALSE(commands.empty()) << GetParam() << " has no command";
  TempDir dir;
  const ModelServer model_server(AnswerOfPages);
  const std::string home = dir.File("home");
  std::filesystem::create_directories(home);
  std::ofstream script(dir.File("script.sh"));
  const std::string root = std::filesystem::current_path().string();
  script << "export PATH='" << VOUCH_BIN_DIR << "':\"$PATH\" HOME='" << home << "' VOUCH_ROOT='" << root << "' LC_ALL=C.UTF-8 MODEL_SERVER='" << model_server.base_url() << "'\n"
         << "unset XDG_DATA_HOME VOUCH_SERVER VOUCH_DATA VOUCH_CONFIG\ncd \"$HOME\"\n";
  for (size_t i = 0; i < commands.size(); ++i) {
    const std::string n = std::to_string(i);
    script << "{ " << commands[i].text << "\n} > ../out." << n << " 2>&1; echo $? > '" << dir.path() << "/rc." << n << "'\n";
  }
  script.close();
  ASSERT_EQ(::system(("bash '" + dir.File("script.sh") + "' < /dev/null").c_str()), 0);
  for (size_t i = 0; i < commands.size(); ++i) {
    const std::string output = ReadAll(dir.File("out." + std::to_string(i)));
    const std::string where = GetParam() + ":" + std::to_string(commands[i].line) + ": " + commands[i].text;
    // A command whose page shows an error may fail; all others must not.
    std::vector<std::string> expected = commands[i].expected;
    while (!expected.empty() && expected.back().empty()) expected.pop_back();
    const bool shows_error = !expected.empty() && expected[0].find("rror") != std::string::npos;
    if (!shows_error) {
      EXPECT_EQ(ReadAll(dir.File("rc." + std::to_string(i))), "0\n") << where << "\nprinted:\n" << output;
    }
    if (commands[i].checked) {
      EXPECT_TRUE(OutputMatches(expected, 0, Lines(output), 0)) << where << "\nprinted:\n" << output;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Pages, DocsTest, testing::Values("docs/guide.md", "docs/rag.md"),
                         [](const auto& info) { return std::filesystem::path(info.param).stem().string(); });

}  // namespace
}  // namespace vouch
