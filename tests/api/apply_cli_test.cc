// `vouch apply`, `vouch pipeline` and `vouch ask --pipeline`, from a folder and from a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/crash/server_process.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSupport[] = R"(pipeline:
  name: support
  collection: notes
  retrieve: {mode: text, chunks: 3}
  prompt:
    user: "{{sources}} {{question}} {{tone}}"
    variables: {tone: plainly}
)";

class ApplyCliTest : public testing::Test {
 protected:
  ApplyCliTest() {
    Write("notes/storage.md", "# Backups\n\nA backup is incremental. Nothing stops the writers.\n");
    Write("spec/support.yaml", kSupport);
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }
  ProgramResult Run(std::vector<std::string> words) {
    words.insert(words.end(), store_.begin(), store_.end());
    return RunVouch(words, dir_.path());
  }
  ProgramResult Apply(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"apply", "-f", dir_.File("spec")});
    return Run(more);
  }
  void Ingest() { ASSERT_EQ(Run({"ingest", "notes", dir_.File("notes")}).exit_code, 0); }

  TempDir dir_;
  std::vector<std::string> store_;
};

TEST_F(ApplyCliTest, WhatTheFilesSayIsThereAfterwardsAndOnlyOnce) {
  Ingest();
  ProgramResult result = Apply({"--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(StartsWith("+ pipeline support@1\n"), HasSubstr("\"chunks\": 3"),
                                HasSubstr("a dry run: nothing was done")));
  EXPECT_THAT(Run({"pipeline", "list"}).out, StartsWith("no pipelines"));
  result = Apply();
  EXPECT_THAT(result.out, HasSubstr("1 created, 0 changed, 0 removed, 0 as they were\n"));
  EXPECT_THAT(Apply().out, StartsWith("= pipeline support@1\n0 created, 0 changed"));

  Write("spec/support.yaml", std::string(kSupport) + "  guard: {min_grounding: 0.7}\n");
  result = Apply();
  EXPECT_THAT(result.out,
              AllOf(StartsWith("~ pipeline support@2\n"), HasSubstr("-     \"min_grounding\": 0.5"),
                    HasSubstr("+     \"min_grounding\": 0.7"), Not(HasSubstr("chunks"))));
  result = Run({"pipeline", "show", "support@1"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("version 1"), HasSubstr("\"min_grounding\": 0.5")));
  EXPECT_THAT(Run({"pipeline", "show", "suport"}).err, HasSubstr("there are support"));

  Write("spec/support.yaml", "alias: {name: support, alias: champion, number: 1}\n");
  EXPECT_THAT(Apply().out, AllOf(HasSubstr("+ alias support@champion"), HasSubstr("+ version 1")));
  EXPECT_THAT(Run({"pipeline", "list"}).out, HasSubstr("champion=1"));
}

TEST_F(ApplyCliTest, RoutesBudgetsAndDatasets) {
  Ingest();
  Write("vouch.yaml",
        "generator: {route: " + dir_.File("route.yaml") + "}\n");
  Write("route.yaml",
        "prices:\n  version: p1\n  currency: EUR\n  models:\n"
        "    small: {input_per_million: 0.15, output_per_million: 0.6}\n"
        "    large: {input_per_million: 2.5, output_per_million: 10}\n"
        "tiers:\n"
        "  - {name: cheap, endpoint: \"http://127.0.0.1:1/v1\", model: small}\n"
        "  - {name: dear, endpoint: \"http://127.0.0.1:1/v1\", model: large}\n");
  store_ = {"--config", dir_.File("vouch.yaml")};
  Write("spec/questions.jsonl", "{\"_id\": \"1\", \"text\": \"Is a backup incremental?\"}\n");
  const std::string all =
      "route:\n  tiers: [{name: dear}, {name: cheap, max_tokens: 100}]\n"
      "  escalate: {below_grounding: 0.7}\n---\n"
      "budget: {day: 5.00}\n---\nbudget: {pipeline: support, day: 1.5}\n---\n"
      "dataset: {name: support, questions: questions.jsonl, tags: [backup]}\n";
  Write("spec/models.yaml", all);
  ProgramResult result = Apply({"--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("~ route default\n"), HasSubstr("+ budget support\n    + 1.5 a day"),
                                HasSubstr("+ dataset support@1\n    + 1 questions"),
                                HasSubstr("4 created, 1 changed")));
  EXPECT_THAT(Run({"dataset", "list"}).out, StartsWith("no datasets"));
  EXPECT_THAT(Apply().out, HasSubstr("4 created, 1 changed, 0 removed"));
  EXPECT_THAT(Apply().out, HasSubstr("0 created, 0 changed, 0 removed, 5 as they were"));
  EXPECT_THAT(Run({"budget", "show"}).out,
              AllOf(HasSubstr("EUR, prices p1"), HasSubstr("support"), HasSubstr("all together")));
  Write("spec/questions.jsonl", "{\"_id\": \"1\", \"text\": \"Is a backup whole?\"}\n");
  EXPECT_THAT(Apply().out, AllOf(HasSubstr("~ dataset support@2"), HasSubstr("1 changed")));
  Write("spec/models.yaml", "budget: {day: 5}\n");
  EXPECT_THAT(Apply().out, HasSubstr("0 removed"));
  result = Apply({"--prune"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("- budget support\n"), HasSubstr("- route default\n"),
                                HasSubstr("2 removed")));
  EXPECT_THAT(Run({"dataset", "list"}).out, HasSubstr("support")) << "datasets stay";
  // Mistakes name the file and the line.
  Write("spec/models.yaml", "# one\nroute:\n  tiers: [{name: free}]\n");
  EXPECT_THAT(Apply().err, AllOf(HasSubstr("models.yaml:1: the server has no tier"),
                                 HasSubstr("cheap, dear")));
  Write("spec/models.yaml", "budget: {day: 5}\n---\nbudget: {day: lots}\n");
  EXPECT_THAT(Apply().err, HasSubstr("models.yaml:3: day is 'lots'"));
  Write("spec/models.yaml", "dataset: {name: support, questions: gone.jsonl}\n");
  EXPECT_THAT(Apply().err, AllOf(HasSubstr("models.yaml:1: "), HasSubstr("gone.jsonl")));
}

TEST_F(ApplyCliTest, OnlyPruneRemoves) {
  Ingest();
  ASSERT_EQ(Apply().exit_code, 0);
  Write("spec/support.yaml", "pipeline: {name: other, collection: notes}\n");
  EXPECT_THAT(Apply().out, HasSubstr("0 removed"));
  EXPECT_THAT(Run({"pipeline", "list"}).out, HasSubstr("support"));
  EXPECT_THAT(Apply({"--prune", "--dry-run"}).out, HasSubstr("- pipeline support"));
  EXPECT_THAT(Run({"pipeline", "list"}).out, HasSubstr("support"));
  EXPECT_THAT(Apply({"--prune"}).out, HasSubstr("1 removed"));
  EXPECT_THAT(Run({"pipeline", "list"}).out, Not(HasSubstr("support")));
}

TEST_F(ApplyCliTest, AQuestionToAPipelineIsAnsweredAndReplayedByItsVersion) {
  store_ = {"--data", dir_.File("data")};
  const auto server = ServerProcess::Start(VOUCH_BINARY, dir_.File("data"), dir_.File("log"));
  ASSERT_NE(server, nullptr);
  store_ = {"--server", server->address()};
  Ingest();
  ASSERT_EQ(Apply().exit_code, 0);
  ProgramResult result = Run({"ask", "--pipeline", "support", "Is a backup incremental?"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("A backup is incremental. [1]"), HasSubstr("Pipeline support@1, hash ")));
  Write("spec/support.yaml", std::string(kSupport) + "  generate: {max_sentences: 1}\n");
  ASSERT_THAT(Apply().out, HasSubstr("support@2"));
  const auto answers = nlohmann::json::parse(Run({"answer", "list", "--json"}).out);
  result = Run({"replay", answers["answers"][0]["id"]});
  EXPECT_THAT(result.out, HasSubstr(": R3")) << result.err;

  const std::string id = answers["answers"][0]["id"];
  result = Run({"lineage", id});
  EXPECT_THAT(result.out, AllOf(StartsWith("answer " + id), HasSubstr("made by pipeline support@1"),
                                HasSubstr("cited chunk notes/storage.md#0"),
                                HasSubstr("with the bytes source ")))
      << result.err;
  result = Run({"lineage", "--document", "notes/storage.md", "--format", "dot"});
  EXPECT_THAT(result.out, AllOf(StartsWith("digraph lineage {"), HasSubstr("part of")));
  EXPECT_THAT(Run({"lineage", "--pipeline", "support@2"}).out,
              HasSubstr("0 of the latest 1 answers use pipeline support@2"));
  EXPECT_EQ(Run({"lineage"}).exit_code, 2);
  EXPECT_EQ(Run({"lineage", "--pipeline", "a", "--model", "b"}).exit_code, 2);
}

TEST_F(ApplyCliTest, CollectionsAreMadeAndAlteredToTheFile) {
  const auto schema = [&](const std::string& text) { Write("spec/a.yaml", "collection:\n  name: notes\n  schema:\n" + text); };
  schema("    text: [{name: text, paths: [text]}]\n    payload: [{path: year, type: PAYLOAD_TYPE_INTEGER}]\n");
  ProgramResult result = Apply({"--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("+ collection notes"), HasSubstr("+ pipeline support@1")));
  result = Apply();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(Apply().out, HasSubstr("0 created, 0 changed, 0 removed, 2 as they were"));
  Write("points.jsonl", R"({"id": 1, "payload": {"text": "gone", "title": "A rotor", "year": 2020, "lang": "en"}})" "\n");
  EXPECT_EQ(Run({"import", "notes", dir_.File("points.jsonl")}).exit_code, 0);
  EXPECT_THAT(Run({"query", "notes", "rotor", "--mode", "text"}).out, Not(HasSubstr("rotor")));

  schema(
      "    text: [{name: text, paths: [title], k1: 1.5}]\n    payload: [{path: lang, type: PAYLOAD_TYPE_KEYWORD}]\n"
      "    dense: [{name: v, dim: 4, metric: METRIC_COSINE}]\n    retention: {versions: 100, history: 720h}\n");
  result = Apply({"--dry-run"});
  EXPECT_THAT(result.out, AllOf(HasSubstr("~ collection notes"), HasSubstr("+ dense v"), HasSubstr("~ text text: paths "),
                                HasSubstr("+ payload lang"), HasSubstr("= payload year, which the file does not name, is left"),
                                HasSubstr("~ retention")));
  EXPECT_THAT(Run({"query", "notes", "rotor", "--mode", "text"}).out, Not(HasSubstr("rotor")));
  result = Apply();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(Run({"query", "notes", "rotor", "--mode", "text", "--filter", "lang = 'en' and year > 2000"}).out, HasSubstr("A rotor"));
  EXPECT_THAT(Apply().out, HasSubstr("0 created, 0 changed, 0 removed, 2 as they were"));

  EXPECT_THAT(Apply({"--prune"}).out, HasSubstr("- payload year"));
  EXPECT_THAT(Run({"query", "notes", "rotor", "--mode", "text", "--filter", "year > 2000"}).err, HasSubstr("year"));
  schema("    dense: [{name: v, dim: 8}]\n");
  result = Apply();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("a.yaml:1: collection notes: dense field v: dim 4 -> 8"), HasSubstr("vouch migrate")));
}

TEST_F(ApplyCliTest, MistakesNameTheFileAndTheLine) {
  Ingest();
  Write("spec/support.yaml", "pipeline:\n  name: support\n  colection: notes\n");
  ProgramResult result = Apply();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("support.yaml:3:3: unknown key 'colection'"));
  Write("spec/support.yaml",
        "pipeline:\n  name: support\n  collection: notes\n  prompt: {user: '{{sources}} {{question}} "
        "{{tone}}'}\n");
  result = Apply();
  EXPECT_THAT(result.err, AllOf(HasSubstr("support.yaml:1: "), HasSubstr("{{tone}} at byte"),
                                HasSubstr("declare it in prompt.variables")));
  Write("spec/support.yaml", "pipeline: {name: support, collection: none}\n");
  EXPECT_THAT(Apply().err, HasSubstr("NOT_FOUND"));
  EXPECT_THAT(Run({"apply", "-f", dir_.File("nothing")}).err, HasSubstr("there is no file or folder"));
  EXPECT_EQ(Run({"ask", "--pipeline", "support", "notes", "why?"}).exit_code, 2);
  EXPECT_EQ(Run({"ask", "notes"}).exit_code, 2);
  EXPECT_EQ(Run({"ask", "--pipeline", "support", "--mode", "text", "why?"}).exit_code, 2);
}

}  // namespace
}  // namespace vouch
