// `vouch experiment` and `feedback`, from a folder and from a server that is killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/crash/server_process.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class ExperimentCliTest : public testing::Test {
 protected:
  ExperimentCliTest() {
    Write("notes/rotor.md", "# Rotor\n\nThe rotor is held by four screws.\n");
    Write("notes/valve.md", "# Valve\n\nThe valve is held by two screws.\n");
    Write("one.yaml", Pipeline(""));
    Write("two.yaml", Pipeline(", filter: {expression: \"doc_id = 'notes/valve.md'\"}"));
    Write("canary.yaml",
          "experiment:\n  name: trial\n  pipeline: support\n  challenger: '2'\n  mode: canary\n"
          "  ramp: [{share: 0.3, answers: 4}, {share: 0.6, answers: 1000}]\n  signal: answered\n"
          "  guardrails: [{metric: abstained, margin: 0.2}]\n");
  }
  static std::string Pipeline(const std::string& filter) {
    return "pipeline:\n  name: support\n  collection: notes\n  retrieve: {mode: text, chunks: 3" +
           filter + "}\n  generate: {generator: builtin/extractive}\n";
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }
  ProgramResult Run(std::vector<std::string> words) {
    words.insert(words.end(), store_.begin(), store_.end());
    return RunVouch(words, dir_.path(), environment_);
  }
  std::string Out(const std::vector<std::string>& words) {
    const ProgramResult result = Run(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  void Prepare() {
    Out({"ingest", "notes", dir_.File("notes")});
    Out({"apply", "-f", dir_.File("one.yaml")});
    Out({"apply", "-f", dir_.File("two.yaml")});
    Out({"promote", "support@1", "--to", "champion"});
  }
  Json Ask(int caller) {
    return Json::parse(Out({"ask", "--pipeline", "support@champion", "How is the rotor held?",
                            "--caller", "caller-" + std::to_string(caller), "--json"}));
  }
  Json Shown() { return Json::parse(Out({"experiment", "show", "trial", "--json"})); }
  // Answers that both arms gave.
  static uint64_t Answers(const Json& shown) {
    uint64_t sum = 0;
    for (const Json& arm : shown["arms"]) {
      if (arm.contains("answers")) sum += std::stoull(arm["answers"].is_string() ? arm["answers"].get<std::string>() : arm["answers"].dump());
    }
    return sum;
  }

  TempDir dir_;
  std::vector<std::string> store_;
  std::map<std::string, std::string> environment_;
};

TEST_F(ExperimentCliTest, WhatAUserTypes) {
  Prepare();
  EXPECT_THAT(Out({"experiment", "list"}), HasSubstr("no experiments; `vouch apply -f FILE`"));
  EXPECT_THAT(Out({"apply", "-f", dir_.File("canary.yaml")}), HasSubstr("+ experiment trial@1"));
  EXPECT_THAT(Out({"apply", "-f", dir_.File("canary.yaml")}), HasSubstr("= experiment trial@1"));
  EXPECT_THAT(Out({"experiment", "list"}),
              AllOf(HasSubstr("support@champion"), HasSubstr("running"), HasSubstr("30 %")));
  // Each command opens and closes the store: nothing is lost between them.
  std::string answer;
  for (int i = 0; i < 6; ++i) answer = Ask(i)["id"].get<std::string>();
  EXPECT_EQ(Answers(Shown()), 6u);
  EXPECT_THAT(Out({"experiment", "show", "trial"}),
              AllOf(HasSubstr("experiment trial, version 1: canary of support@champion against 2"),
                    HasSubstr("run 1 is running"), HasSubstr("guardrail abstained at most the champion's + 0.2: holds"),
                    HasSubstr("too few callers to say")));
  EXPECT_THAT(Out({"experiment", "stop", "trial", "--reason", "the fair"}), HasSubstr("run 1 is stopped: the fair"));
  EXPECT_FALSE(Ask(1).contains("experiment"));
  EXPECT_EQ(Run({"experiment", "stop", "trial"}).exit_code, 1);
  EXPECT_THAT(Out({"experiment", "start", "trial"}), HasSubstr("run 2 is running"));
  EXPECT_THAT(Out({"audit", "list", "--of", "experiment/trial"}),
              AllOf(HasSubstr("experiment.start"), HasSubstr("experiment.stop"), HasSubstr("the fair")));

  EXPECT_THAT(Out({"feedback", "add", answer, "--thumbs", "down", "--score", "0.2", "--correction",
                   "By six screws.", "--comment", "see drawing 4"}),
              HasSubstr("on answer " + answer));
  EXPECT_THAT(Out({"feedback", "list", answer}),
              AllOf(HasSubstr("down"), HasSubstr("0.2"), HasSubstr("By six screws."), HasSubstr("see drawing 4")));
  EXPECT_THAT(Out({"feedback", "list"}), HasSubstr(answer));
  EXPECT_THAT(Run({"feedback", "add", answer}).err, HasSubstr("takes thumbs (up or down), a score, or a correction"));
  EXPECT_EQ(Run({"feedback", "add", answer, "--thumbs", "left"}).exit_code, 2);
  EXPECT_EQ(Run({"feedback", "add", answer, "--score", "2"}).exit_code, 2);
  EXPECT_THAT(Run({"feedback", "add", "none", "--thumbs", "up"}).err, HasSubstr("NOT_FOUND"));
  EXPECT_THAT(Out({"forget", "notes", "notes/rotor.md", "--reason", "asked for"}), HasSubstr("rotor"));
  EXPECT_THAT(Out({"feedback", "list", answer}), testing::Not(HasSubstr("six")));
  EXPECT_THAT(Out({"experiment", "remove", "trial"}), HasSubstr("experiment trial removed"));
  EXPECT_THAT(Run({"experiment", "show", "trial"}).err, HasSubstr("there is no experiment 'trial'"));
}

// A hook may refuse what an experiment asks for: a command that does not read the hooks promotes nothing, and one that
// does asks them.
TEST_F(ExperimentCliTest, AWinnerIsNotPromotedPastTheHooks) {
  Write("legal.sh", "#!/bin/sh\necho '{\"allowed\": false, \"reason\": \"legal has not signed\"}'\n");
  std::filesystem::permissions(dir_.File("legal.sh"), std::filesystem::perms::owner_all);
  Write("hooks.yaml", "hooks:\n  - {name: legal, events: [before.promote], on_failure: refuse, command: [" +
                          dir_.File("legal.sh") + "]}\n");
  Write("mixed.yaml",
        "experiment:\n  name: trial\n  pipeline: support\n  challenger: '1'\n  mode: interleave\n  alpha: 0.2\n"
        "  promote: true\n");
  Out({"ingest", "notes", dir_.File("notes")});
  Out({"apply", "-f", dir_.File("one.yaml")});
  Out({"apply", "-f", dir_.File("two.yaml")});
  Out({"promote", "support@2", "--to", "champion"});
  Out({"apply", "-f", dir_.File("mixed.yaml")});
  environment_["VOUCH_HOOKS"] = dir_.File("hooks.yaml");
  std::string log;
  for (int i = 0; i < 80 && log.find("experiment.won") == std::string::npos; ++i) {
    EXPECT_EQ(Ask(i)["pipeline"], "support@2");
    if (i >= 20) log = Out({"audit", "list", "--of", "experiment/trial"});
  }
  EXPECT_THAT(log, HasSubstr("experiment.won"));
  EXPECT_EQ(Ask(100)["pipeline"], "support@2");
  EXPECT_THAT(Out({"audit", "list", "--of", "pipeline/support@champion"}),
              testing::Not(HasSubstr("promote.refused")));
  Out({"experiment", "show", "trial"});  // it asks before it ends
  EXPECT_THAT(Out({"experiment", "show", "trial"}), HasSubstr("legal has not signed"));
  EXPECT_EQ(Ask(101)["pipeline"], "support@2");
}

// The server is killed again and again while callers come in and the ramp rises: every answer that was
// given counts once, no step is half taken, and in the end the canary goes back by itself.
TEST_F(ExperimentCliTest, AKillInTheMiddleOfARampLosesNothing) {
  const std::string data = dir_.File("data");
  auto server = ServerProcess::Start(VOUCH_BINARY, data, dir_.File("log"));
  ASSERT_NE(server, nullptr);
  store_ = {"--server", server->address()};
  Prepare();
  Out({"apply", "-f", dir_.File("canary.yaml")});
  uint64_t asked = 0;
  uint64_t step = 1;
  Json shown;
  for (int i = 0; i < 120; ++i) {
    Ask(i);
    ++asked;
    if (i % 13 == 6) {
      server->Kill();
      server = ServerProcess::Start(VOUCH_BINARY, data, dir_.File("log"));
      ASSERT_NE(server, nullptr);
      store_ = {"--server", server->address()};
    }
    if (i % 6 != 5) continue;
    shown = Shown();
    if (shown["status"] != "running") break;
    EXPECT_EQ(Answers(shown), asked);
    EXPECT_GE(shown["step"].get<uint64_t>(), step);
    step = shown["step"].get<uint64_t>();
  }
  EXPECT_EQ(step, 2u);
  EXPECT_EQ(shown["status"], "rolled back") << shown;
  EXPECT_THAT(shown["reason"].get<std::string>(), HasSubstr("guardrail abstained"));
  const std::string log = Out({"audit", "list", "--of", "experiment/trial"});
  EXPECT_THAT(log, HasSubstr("experiment.rollback"));
  EXPECT_EQ(log.find("experiment.step"), log.rfind("experiment.step"));
  Out({"audit", "verify"});
  EXPECT_FALSE(Ask(0).contains("experiment"));
}

}  // namespace
}  // namespace vouch
