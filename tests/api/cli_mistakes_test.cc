// What a newcomer does wrong, and what the program says then: the thing, the value and what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// No name of a host is that long, so that nobody has to be asked for it.
const std::string kNoHost(64, 'a');

class CliMistakesTest : public testing::Test {
 protected:
  ProgramResult Run(const std::vector<std::string>& words) {
    return RunVouch(words, dir_.path(), environment_, user_);
  }
  // Runs and expects the exit code, nothing on standard output, and an error, which it returns.
  std::string ErrorOf(int exit_code, const std::vector<std::string>& words) {
    const ProgramResult result = Run(words);
    EXPECT_EQ(result.exit_code, exit_code) << testing::PrintToString(words) << result.err;
    EXPECT_EQ(result.out, "") << testing::PrintToString(words);
    EXPECT_THAT(result.err, StartsWith("error")) << testing::PrintToString(words);
    return result.err;
  }
  void Write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }
  void IngestNotes() {
    Write("notes/good.md", "# Good\n\nBackups are kept.\n");
    const ProgramResult result =
        Run({"ingest", "notes", dir_.File("notes"), "--embedder", "builtin/hash?dim=64"});
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  TempDir dir_;
  std::map<std::string, std::string> environment_;
  uid_t user_ = 0;  // as whom the program runs
};

TEST_F(CliMistakesTest, NoCommand) {
  EXPECT_THAT(ErrorOf(2, {}), AllOf(HasSubstr("'vouch' needs a command; it has ingest, query"),
                                    HasSubstr("`vouch --help`")));
  EXPECT_THAT(ErrorOf(2, {"tag"}),
              HasSubstr("'vouch tag' needs a command; it has create, list, delete"));
  EXPECT_EQ(Run({"--version"}).out, "vouch " VOUCH_VERSION "\n");
}

TEST_F(CliMistakesTest, MisspeltCommand) {
  EXPECT_THAT(
      ErrorOf(2, {"qurey", "notes", "x"}),
      AllOf(HasSubstr("'vouch' has no command 'qurey'; the nearest is 'query'; it has ingest, ")));
  EXPECT_THAT(ErrorOf(2, {"tag", "crate", "notes", "x"}),
              AllOf(HasSubstr("'vouch tag' has no command 'crate'; the nearest is 'create'")));
  EXPECT_THAT(ErrorOf(2, {"upsert"}), Not(HasSubstr("nearest")));
}

TEST_F(CliMistakesTest, MisspeltOption) {
  EXPECT_THAT(ErrorOf(2, {"query", "notes", "backups", "--mdoe", "text"}),
              AllOf(HasSubstr("'vouch query' has no option '--mdoe'; the nearest is '--mode'"),
                    HasSubstr("`vouch query --help`")));
  EXPECT_THAT(ErrorOf(2, {"ingest", "notes", "x", "--embeder=builtin/lsa"}),
              HasSubstr("'vouch ingest' has no option '--embeder'; the nearest is '--embedder'"));
  EXPECT_THAT(ErrorOf(2, {"verify", "--listen", "127.0.0.1:1"}),
              HasSubstr("has no option '--listen'"));
  EXPECT_THAT(ErrorOf(2, {"--json", "query", "notes"}),
              HasSubstr("'vouch' has no option '--json'"));
}

TEST_F(CliMistakesTest, WordsThatAreMissingOrTooMany) {
  EXPECT_THAT(ErrorOf(2, {"query"}), AllOf(HasSubstr("collection is required"),
                                           HasSubstr("Example:\n  vouch query docs")));
  EXPECT_THAT(ErrorOf(2, {"ask", "notes", "what", "did", "we", "decide"}),
              AllOf(HasSubstr("'vouch ask' does not know what to do with 'did we decide'"),
                    HasSubstr("quotes")));
  EXPECT_THAT(ErrorOf(2, {"query", "notes", ""}), HasSubstr("it is empty"));
}

TEST_F(CliMistakesTest, SettingsThatCannotBeRead) {
  Write("folder/file", "");
  EXPECT_THAT(ErrorOf(2, {"collection", "list", "--config", dir_.File("none.yaml")}),
              AllOf(HasSubstr("the configuration file: cannot open"),
                    HasSubstr("none.yaml: No such file")));
  EXPECT_THAT(ErrorOf(2, {"collection", "list", "--config", dir_.File("folder")}),
              AllOf(HasSubstr("the configuration file"), HasSubstr("not a file")));
  environment_["VOUCH_SEAL_ROWS"] = "few";
  EXPECT_THAT(ErrorOf(2, {"collection", "list"}),
              AllOf(HasSubstr("VOUCH_SEAL_ROWS"), HasSubstr("'few'")));
}

TEST_F(CliMistakesTest, EverySettingIsAFlagOfServe) {
  // All are taken, so that what is wrong is the address alone.
  const std::string help = Run({"serve", "--help"}).out;
  const std::string route = dir_.File("route.yaml");
  std::ofstream(route) << "tiers:\n  - {name: near, model: m, endpoint: 'http://127.0.0.1:9/v1'}\n";
  const std::string rerankers = dir_.File("rerankers.yaml");
  const std::string hooks = dir_.File("hooks.yaml");
  std::ofstream(hooks) << "hooks: [{name: far, events: [after.tag], url: 'http://127.0.0.1:9'}]\n";
  std::ofstream(rerankers) << "rerankers: [{name: near, shape: jina, model: m, endpoint: 'http://127.0.0.1:9'}]\n";
  environment_["VOUCH_GENERATOR_ENDPOINT"] = "http://127.0.0.1:9/v1";  // --generator-model needs one
  const std::map<std::string, std::string> samples = {
      {"--log-level", "warn"}, {"--data", dir_.File("d")}, {"--generator-route", route},
      {"--http-listen", "127.0.0.1:1"}, {"--memory-limit", "8GiB"}, {"--rerankers", rerankers}, {"--hooks", hooks},
      {"--hook-urls", "https://ci.example/hooks, http://127.0.0.1:9"},
      {"--telemetry-endpoint", "http://127.0.0.1:9"}, {"--gpu-memory-limit", "8GiB"}, {"--gpu-shares", "acme=20:60"},
      {"--gpu-copies", "2"}, {"--gpu-builds", "on"}};
  int flags = 0;
  for (size_t at = help.find("\n  --"); at != std::string::npos; at = help.find("\n  --", at + 1)) {
    const std::string flag = help.substr(at + 3, help.find(' ', at + 3) - at - 3);
    if (flag == "--json" || flag == "--config" || flag == "--port-file" || flag == "--listen")
      continue;
    ++flags;
    const auto sample = samples.find(flag);
    const std::string value = sample == samples.end() ? "200" : sample->second;
    EXPECT_THAT(ErrorOf(2, {"serve", flag, value, "--listen", "nowhere"}),
                HasSubstr("listen is 'nowhere'"))
        << flag;
  }
  EXPECT_EQ(flags, 32) << help;
  EXPECT_THAT(ErrorOf(2, {"serve", "--hook-urls", "ci.example"}), HasSubstr("hook_urls: 'ci.example' is no URL"));
  EXPECT_THAT(ErrorOf(2, {"serve", "--hook-urls", "https://ci.example?x=1"}), HasSubstr("has a query"));
  environment_["VOUCH_LISTEN"] = "elsewhere";
  EXPECT_THAT(ErrorOf(2, {"serve"}), HasSubstr("listen is 'elsewhere'"));
}

TEST_F(CliMistakesTest, ServerThatIsNotThere) {
  EXPECT_THAT(ErrorOf(2, {"ask", "notes", "x", "--server", "localhost"}),
              AllOf(HasSubstr("server is 'localhost'"), HasSubstr("HOST:PORT")));
  EXPECT_THAT(ErrorOf(1, {"ask", "notes", "x", "--server", "127.0.0.1:1"}),
              AllOf(HasSubstr("no server answers at 127.0.0.1:1"), HasSubstr("vouch serve")));
  EXPECT_THAT(ErrorOf(1, {"ask", "notes", "x", "--server", kNoHost + ":7700"}),
              AllOf(HasSubstr("the host of the server " + kNoHost + ":7700 is not known")));
}

TEST_F(CliMistakesTest, AddressesThatCannotBeListenedOn) {
  const auto serve = [&](const std::string& address) {
    return ErrorOf(1,
                   {"serve", "--listen", address, "--data", dir_.File("d"), "--log-level", "off"});
  };
  EXPECT_THAT(serve("192.0.2.1:7700"),
              AllOf(HasSubstr("192.0.2.1"), HasSubstr("no address of this machine")));
  EXPECT_THAT(serve(kNoHost + ":7700"), HasSubstr("not known"));
  EXPECT_FALSE(fs::exists(dir_.File("d")));
  const ProgramResult result = Run({"serve", "--listen", "127.0.0.1:0", "--data", dir_.File("d"),
                                    "--port-file", dir_.File("none/port")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("--port-file: cannot make"));
}

TEST_F(CliMistakesTest, WrongPaths) {
  IngestNotes();
  const std::string file = dir_.File("notes/good.md");
  for (const std::vector<std::string>& words : {std::vector<std::string>{"query", "notes", "x"},
                                                {"verify"},
                                                {"ingest", "notes", dir_.File("notes")},
                                                {"serve"}}) {
    std::vector<std::string> command = words;
    command.insert(command.end(), {"--data", file});
    EXPECT_THAT(ErrorOf(1, command),
                AllOf(HasSubstr(file), HasSubstr("is a file; --data takes the folder")))
        << words[0];
  }
  EXPECT_THAT(ErrorOf(1, {"verify", "--data", dir_.File("notes")}),
              HasSubstr("there is no store in"));
  EXPECT_THAT(ErrorOf(1, {"ingest", "notes", dir_.File("ntoes")}),
              HasSubstr("ntoes: No such file"));
  EXPECT_THAT(ErrorOf(1, {"backup", "list", dir_.File("none")}), HasSubstr("no backup in"));
  EXPECT_THAT(ErrorOf(1, {"backup", "create", dir_.File("notes")}),
              HasSubstr("is not empty and holds no backups"));
  EXPECT_THAT(ErrorOf(1, {"restore", dir_.File("none"), "--to", dir_.File("r")}),
              HasSubstr("no backup in"));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("r"))) << "a mistake made a folder";
  EXPECT_EQ(Run({"backup", "create", dir_.File("backups")}).exit_code, 0);
  EXPECT_THAT(ErrorOf(1, {"restore", dir_.File("backups"), "--to", file}),
              HasSubstr("is not an empty folder"));
  EXPECT_THAT(
      ErrorOf(1, {"restore", dir_.File("backups"), "--to", dir_.File("r"), "--backup", "7"}),
      AllOf(HasSubstr("no backup 7"), HasSubstr("the newest is 1")));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("r")));
}

TEST_F(CliMistakesTest, EvaluationFiles) {
  IngestNotes();
  Write("q.jsonl", "{\"_id\": \"q\", \"text\": \"backups\"}\n");
  Write("qrels", "q 0 notes/good.md 1\n");
  const auto eval = [&](const std::string& queries, const std::string& qrels,
                        const std::string& run) {
    return ErrorOf(1, {"eval", "retrieval", "notes", "--queries", dir_.File(queries), "--qrels",
                       dir_.File(qrels), "--run-file", dir_.File(run)});
  };
  EXPECT_THAT(eval("none", "qrels", "run"),
              AllOf(HasSubstr("--queries: "), HasSubstr("none: No such file")));
  EXPECT_THAT(eval("q.jsonl", "none", "run"),
              AllOf(HasSubstr("--qrels: "), HasSubstr("none: No such file")));
  EXPECT_THAT(eval("q.jsonl", "q.jsonl", "run"), AllOf(HasSubstr("q.jsonl"), HasSubstr("line 1")));
  EXPECT_THAT(eval("q.jsonl", "qrels", "none/run"),
              AllOf(HasSubstr("--run-file"), HasSubstr("there is no folder")));
  EXPECT_THAT(eval("q.jsonl", "qrels", "notes"),
              AllOf(HasSubstr("--run-file"), HasSubstr("is a folder")));
}

TEST_F(CliMistakesTest, NothingToIngest) {
  fs::create_directories(dir_.File("empty"));
  Write("photos/a.png", "x");
  ProgramResult result = Run({"ingest", "notes", dir_.File("empty")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("no documents in " + dir_.File("empty")), HasSubstr(".md")));
  EXPECT_THAT(result.out, Not(HasSubstr("as before")));
  result = Run({"ingest", "notes", dir_.File("photos")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("1 skipped"),
                                HasSubstr("photos/a.png: unknown kind of file; known are .txt")));
  EXPECT_THAT(result.err, HasSubstr("no document could be taken in"));
  EXPECT_THAT(Run({"collection", "list"}).out, Not(HasSubstr("notes"))) << "nothing is made of nothing";
  // A folder whose documents are all gone is none of these.
  IngestNotes();
  fs::remove(dir_.File("notes/good.md"));
  result = Run({"ingest", "notes", dir_.File("notes")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("1 deleted"));
}

TEST_F(CliMistakesTest, AnotherEmbedderThanTheCollectionHas) {
  IngestNotes();
  const std::string notes = dir_.File("notes");
  EXPECT_EQ(Run({"ingest", "notes", notes}).exit_code, 0);
  EXPECT_EQ(Run({"ingest", "notes", notes, "--embedder", "builtin/hash?dim=64"}).exit_code, 0);
  EXPECT_THAT(ErrorOf(1, {"ingest", "notes", notes, "--embedder", "builtin/lsa"}),
              AllOf(HasSubstr("builtin/lsa was asked for"), HasSubstr("has builtin/hash?dim=64")));
  EXPECT_THAT(ErrorOf(1, {"ingest", "new", notes, "--embedder", "lsa"}),
              HasSubstr("there are builtin/lsa"));
  EXPECT_THAT(ErrorOf(1, {"ingest", "new", notes, "--embedder", "openai/m?dim=8"}),
              HasSubstr("base_url"));
}

TEST_F(CliMistakesTest, WhatMayNotBeReadOrWritten) {
  if (::geteuid() == 0) {  // root may do everything
    user_ = 65534;
    ::chmod(dir_.path().c_str(), 0777);
    if (Run({"version"}).exit_code != 0) GTEST_SKIP() << "other users may not run the program";
  }
  IngestNotes();
  const std::string closed = dir_.File("closed");
  fs::create_directories(closed);
  fs::permissions(closed, fs::perms::none);
  EXPECT_THAT(ErrorOf(1, {"ingest", "notes", dir_.File("notes"), "--data", closed + "/d"}),
              AllOf(HasSubstr(closed), HasSubstr("Permission denied")));
  for (const char* command : {"query", "verify"}) {
    std::vector<std::string> words = {command, "--data", closed};
    if (words[0] == "query") words.insert(words.begin() + 1, {"notes", "x"});
    EXPECT_THAT(ErrorOf(1, words), AllOf(HasSubstr(closed), HasSubstr("Permission denied")))
        << command;
  }
  EXPECT_THAT(ErrorOf(1, {"backup", "create", closed + "/b"}), HasSubstr("Permission denied"));
  EXPECT_THAT(ErrorOf(2, {"query", "notes", "x", "--config", closed + "/c"}),
              HasSubstr("Permission denied"));

  Write("notes/locked.md", "x");
  fs::permissions(dir_.File("notes/locked.md"), fs::perms::none);
  ProgramResult result = Run({"ingest", "notes", dir_.File("notes")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("1 skipped:\n  notes/locked.md: "), HasSubstr("Permission denied")));
  EXPECT_THAT(ErrorOf(1, {"ingest", "strict", dir_.File("notes"), "--strict"}),
              AllOf(HasSubstr("notes/locked.md"), HasSubstr("Permission denied")));
  result = Run({"ingest", "notes", closed});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("closed: cannot list"), HasSubstr("Permission denied")));
  fs::permissions(closed, fs::perms::owner_all);
}

// One document that cannot be taken, beside a good one: skipped, counted and named with the reason;
// the end of a strict run.
struct BadInput {
  const char* name;
  std::function<void(const fs::path& folder)> make;
  const char* item;  // as the report names it
  const char* reason;
};

// Names of tests hold no addresses.
void PrintTo(const BadInput& input, std::ostream* out) { *out << input.name; }

class CliBadInputTest : public CliMistakesTest, public testing::WithParamInterface<BadInput> {};

TEST_P(CliBadInputTest, IsSkippedAndNamedOrEndsAStrictRun) {
  Write("notes/good.md", "# Good\n\nBackups are kept.\n");
  GetParam().make(dir_.File("notes"));
  const std::vector<std::string> words = {"ingest", "notes", dir_.File("notes"), "--embedder",
                                          "builtin/hash?dim=64"};
  std::vector<std::string> json = words;
  json.insert(json.end(), {"--json", "--keep-going"});
  ProgramResult result = Run(json);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto report = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_FALSE(report.is_discarded()) << result.out;
  EXPECT_GE(report["documents_added"], 1) << report;
  EXPECT_EQ(report["skipped_count"], 1) << report;
  ASSERT_EQ(report["skipped"].size(), 1u);
  EXPECT_EQ(report["skipped"][0]["document"], GetParam().item);
  EXPECT_THAT(std::string(report["skipped"][0]["reason"]), HasSubstr(GetParam().reason));

  result = Run(words);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("1 skipped:"), HasSubstr(GetParam().reason)))
      << "a second run says it again";

  std::vector<std::string> strict = words;
  strict[1] = "strict";
  strict.push_back("--strict");
  EXPECT_THAT(ErrorOf(1, strict), AllOf(HasSubstr(fs::path(GetParam().item).filename().string()),
                                        HasSubstr(GetParam().reason)));
}

void WriteTo(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Items, CliBadInputTest,
    testing::Values(
        BadInput{"BadUtf8", [](const fs::path& f) { WriteTo(f / "bad.md", "not \xff"); },
                 "notes/bad.md", "not UTF-8: byte 0xFF at offset 4"},
        BadInput{"ATruncatedLine",
                 [](const fs::path& f) {
                   WriteTo(f / "r.jsonl", "{\"_id\":\"1\",\"text\":\"a\"}\n{\"_id\":\"2\",\"te");
                 },
                 "notes/r.jsonl", "line 2: "},
        BadInput{"ALineWithoutId",
                 [](const fs::path& f) {
                   WriteTo(f / "r.jsonl", "{\"text\":\"a\"}\n{\"_id\":\"2\",\"text\":\"b\"}\n");
                 },
                 "notes/r.jsonl", "line 1: "},
        BadInput{"TwoLinesOfOneId",
                 [](const fs::path& f) {
                   WriteTo(f / "r.jsonl",
                           "{\"_id\":\"1\",\"text\":\"a\"}\n{\"_id\":\"1\",\"text\":\"b\"}\n");
                 },
                 "notes/r.jsonl", "line 2: "},
        BadInput{"ALoopOfLinks",
                 [](const fs::path& f) { fs::create_symlink("loop.md", f / "loop.md"); },
                 "notes/loop.md", "a symbolic link that leads to itself"},
        BadInput{"ADanglingLink",
                 [](const fs::path& f) { fs::create_symlink("none", f / "link.md"); },
                 "notes/link.md", "No such file"},
        BadInput{"APipe", [](const fs::path& f) { ::mkfifo((f / "pipe.md").c_str(), 0600); },
                 "notes/pipe.md", "neither a file nor a folder"},
        BadInput{"TooLarge",
                 [](const fs::path& f) {
                   WriteTo(f / "big.txt", "");
                   fs::resize_file(f / "big.txt", (uint64_t{64} << 20) + 1);
                 },
                 "notes/big.txt", "the limit is 67108864"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(CliMistakesTest, AReportOfVerdictsThatNobodyAskedFor) {
  EXPECT_THAT(ErrorOf(2, {"eval", "judge", "0193590c", "--tier", "far", "--dry-run", "--report", dir_.File("r.html")}),
              HasSubstr("--report needs verdicts, and --dry-run asks for none"));
}

}  // namespace
}  // namespace vouch
