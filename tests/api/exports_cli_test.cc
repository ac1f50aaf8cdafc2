// `vouch export`, `vouch audit verify --bundle`, `vouch cost` and `vouch dataset from-answers`, as a user meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/support/hook_server.h"
#include "tests/support/mlflow_server.h"
#include "tests/support/model_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Json = nlohmann::json;

class ExportsCliTest : public testing::Test {
 protected:
  ExportsCliTest() {
    Write("notes/rotor.md", "# Rotor\n\nThe rotor is held by four screws.\n");
    Write("notes/valve.md", "# Valve\n\nThe valve is held by two bolts.\n");
    Write("questions.jsonl",
          "{\"_id\": \"rotor\", \"text\": \"How is the rotor held?\", \"documents\": [\"notes/rotor.md\"]}\n"
          "{\"_id\": \"valve\", \"text\": \"How is the valve held?\", \"documents\": [\"notes/valve.md\"]}\n");
    Write("pipeline.yaml", "pipeline: {name: manual, collection: notes, retrieve: {mode: text, chunks: 2}}\n");
    Out({"ingest", "notes", dir_.File("notes")});
    Out({"apply", "-f", dir_.File("pipeline.yaml")});
    Out({"dataset", "import", "parts", dir_.File("questions.jsonl")});
    Out({"eval", "run", "--pipeline", "manual", "--dataset", "parts"});
    Out({"promote", "manual@1", "--to", "champion"});
    Out({"ask", "--pipeline", "manual@champion", "How is the rotor held?"});
    Out({"ask", "--pipeline", "manual@champion", "What do zebras cost?"});
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }
  std::string Read(const std::string& name) {
    std::stringstream text;
    text << std::ifstream(dir_.File(name), std::ios::binary).rdbuf();
    return text.str();
  }
  ProgramResult Run(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment = {}) {
    return RunVouch(words, dir_.path(), environment);
  }
  std::string Out(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment = {}) {
    const ProgramResult result = Run(words, environment);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }

  TempDir dir_;
};

TEST_F(ExportsCliTest, ABundleIsCheckedWithoutAStore) {
  const std::string bundle = dir_.File("all.tar");
  const std::string written = Out({"export", "bundle", bundle, "--from", "2020-01-01"});
  EXPECT_THAT(written, AllOf(HasSubstr("4 answers, "), HasSubstr("1 evaluation, 1 commit in"), HasSubstr("\nseal ")));
  const std::string seal = written.substr(written.find("seal ") + 5, 64);
  // A store that is not there: the folder is empty.
  TempDir elsewhere;
  ProgramResult result = RunVouch({"audit", "verify", "--bundle", bundle, "--seal", seal}, elsewhere.path());
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("4 answers as their links say, 4 links"), HasSubstr("it is the one that was sealed")));
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(elsewhere.path())) left.push_back(entry.path().filename());
  EXPECT_THAT(left, UnorderedElementsAre("stdout", "stderr"));  // the program's own, kept by RunVouch

  std::string bytes = Read("all.tar");
  const size_t at = bytes.find("four screws");
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'F';
  Write("changed.tar", bytes);
  result = RunVouch({"audit", "verify", "--bundle", dir_.File("changed.tar")}, elsewhere.path());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("problem: answers/00000000"), HasSubstr("was changed: its SHA-256 is")));
  EXPECT_THAT(result.err, HasSubstr("error (DATA_LOSS): the bundle is not what was written"));
  result = RunVouch({"audit", "verify", "--bundle", dir_.File("changed.tar"), "--json"}, elsewhere.path());
  EXPECT_FALSE(Json::parse(result.out)["problems"].empty());

  EXPECT_EQ(Run({"audit", "verify", "--seal", seal}).exit_code, 2);
  const std::string verified = Out({"answer", "verify"});
  const std::string head = verified.substr(verified.find("head ") + 5, 66);  // "4:" and 64 digits
  EXPECT_EQ(RunVouch({"audit", "verify", "--bundle", bundle, "--expect", head}, elsewhere.path()).exit_code, 0);
  result = RunVouch({"audit", "verify", "--bundle", bundle, "--expect", "3" + head.substr(1)}, elsewhere.path());
  EXPECT_THAT(result.out, HasSubstr("link 3 has not the expected hash"));
  EXPECT_EQ(Run({"audit", "verify", "--expect", head}).exit_code, 2);
  EXPECT_EQ(Run({"audit", "verify", "--bundle", bundle, "--expect", "4"}).exit_code, 2);
  // A folder is no bundle, and a folder is not replaced by one.
  result = Run({"audit", "verify", "--bundle", dir_.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("--bundle: cannot read '" + dir_.path() + "': Is a directory"));
  std::filesystem::create_directories(dir_.File("folder/inner"));
  EXPECT_EQ(Run({"export", "bundle", dir_.File("folder")}).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(dir_.File("folder.part")));
  result = Run({"export", "bundle", "-", "--from", "2020-01-01"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("\nseal " + seal)) << "the archive alone is the output";
  EXPECT_THAT(result.out, Not(HasSubstr("\nseal ")));
  EXPECT_EQ(Run({"audit", "verify", "--bundle", bundle, "--seal", "abc"}).exit_code, 2);
  EXPECT_THAT(Run({"audit", "verify", "--bundle", dir_.File("no.tar")}).err, HasSubstr("cannot read"));
  EXPECT_THAT(Run({"export", "bundle", bundle, "--from", "yesterday"}).err, HasSubstr("--from is 'yesterday'; it takes a day"));
  EXPECT_EQ(Run({"export", "bundle", bundle, "--from", "2026-02-01", "--to", "2026-01-01"}).exit_code, 2);
}

TEST_F(ExportsCliTest, EventsGoToAFileOrAnAddress) {
  EXPECT_THAT(Out({"export", "openlineage", dir_.File("events.jsonl")}), HasSubstr("12 events written to"));
  std::istringstream lines(Read("events.jsonl"));
  int events = 0;
  for (std::string line; std::getline(lines, line); ++events) EXPECT_TRUE(Json::parse(line).contains("eventType"));
  EXPECT_EQ(events, 12);
  HookServer server([](size_t number, const HookServer::Request&) {
    return HookServer::Reply{.status = number == 1 ? 503 : 201};
  });
  EXPECT_THAT(Out({"export", "openlineage", "--url", server.url()}, {{"OPENLINEAGE_API_KEY", "key-1"}}), HasSubstr("12 events sent to"));
  ASSERT_THAT(server.requests(), SizeIs(13)) << "one was refused, and came again";
  EXPECT_EQ(server.requests()[0].headers.at("authorization"), "Bearer key-1");
  EXPECT_EQ(server.requests()[1].body, server.requests()[2].body);
  const ProgramResult nobody = Run({"export", "openlineage", "--url", "http://127.0.0.1:1/x"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.err, AllOf(HasSubstr("127.0.0.1:1"), HasSubstr("0 events were taken")));
  EXPECT_EQ(Run({"export", "openlineage", "x", "--url", server.url()}).exit_code, 2);
}

TEST_F(ExportsCliTest, ProvenanceOfOneAnswer) {
  const std::string id = Json::parse(Out({"answer", "list", "--json"}))["answers"][1]["id"];
  const Json document = Json::parse(Out({"export", "prov", "--answer", id}));
  EXPECT_TRUE(document["entity"].contains("vouch:answer/" + id));
  EXPECT_TRUE(document.contains("wasDerivedFrom"));
  EXPECT_GT(Json::parse(Out({"export", "prov"}))["entity"].size(), document["entity"].size());
  EXPECT_EQ(Run({"export", "prov", "--answer", "nobody"}).exit_code, 1);
  EXPECT_EQ(Run({"export", "prov", "--answer", id, "--from", "2026-01-01"}).exit_code, 2);
}

TEST_F(ExportsCliTest, EvaluationsAndPipelinesGoToMlflow) {
  MlflowServer mlflow;
  EXPECT_EQ(Out({"export", "mlflow", "--url", mlflow.url()}),
            "1 run written to experiment vouch, 0 there before\n1 registered model: 1 version added, 1 alias moved\n");
  ASSERT_THAT(mlflow.runs(), SizeIs(1));
  const MlflowServer::Run run = mlflow.runs().begin()->second;
  EXPECT_EQ(run.name, "manual@1 on parts@1");
  EXPECT_EQ(run.metrics.at("recall_10"), 1.0);
  EXPECT_EQ(run.tags.at("vouch.pipeline"), "manual@1");
  EXPECT_THAT(run.datasets, SizeIs(1));
  EXPECT_EQ(mlflow.models()["manual"].aliases["champion"], "1");
  EXPECT_EQ(Out({"export", "mlflow"}, {{"MLFLOW_TRACKING_URI", mlflow.url()}}),
            "0 runs written to experiment vouch, 1 there before\n1 registered model: 0 versions added, 0 aliases moved\n");
  EXPECT_EQ(Run({"export", "mlflow"}).exit_code, 2);
}

TEST_F(ExportsCliTest, PointsAreExportedAsBefore) {
  EXPECT_THAT(Out({"export", "notes"}), HasSubstr("four screws"));
  ProgramResult result = Run({"export"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("collection is required"));
  result = Run({"export", "bundle", "x.tar", "--form", "2026-01-01"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("'vouch export bundle' has no option '--form'; the nearest is '--from'"));
}

TEST_F(ExportsCliTest, QuestionsOfAnswersBecomeADataset) {
  const std::string grown = Out({"dataset", "from-answers", "live", "--pipeline", "manual"});
  EXPECT_THAT(grown, AllOf(HasSubstr("live@1: 2 questions, 1 judged"), HasSubstr("2 answers match; added 2 questions")));
  EXPECT_THAT(Out({"dataset", "export", "live"}), AllOf(HasSubstr("\"tags\":[\"cited\",\"live\"]"), HasSubstr("\"unjudged\"")));
  EXPECT_THAT(Out({"dataset", "from-answers", "live"}), HasSubstr("added 0 questions, 2 known"));
  // What was cited is found again by an evaluation.
  EXPECT_THAT(Out({"eval", "run", "notes", "--dataset", "live", "--mode", "text"}), HasSubstr("live@1"));
  EXPECT_THAT(Out({"dataset", "from-answers", "more", "--filter", "abstained", "--dry-run"}), HasSubstr("would add 1 question"));
  const ProgramResult none = Run({"dataset", "from-answers", "none", "--to", "2020-01-01"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("no question can be had: 0 answers match"));
  EXPECT_THAT(Run({"dataset", "from-answers", "x", "--filter", "good"}).err, HasSubstr("filter is 'good'; it takes"));
  const std::string id = Json::parse(Out({"answer", "list", "--json"}))["answers"][0]["id"];
  Out({"feedback", "add", id, "--thumbs", "down", "--correction", "They are not for sale."});
  EXPECT_THAT(Out({"dataset", "from-answers", "wrong", "--filter", "disliked"}),
              HasSubstr("added 1 question, 1 corrected"));
  EXPECT_THAT(Out({"dataset", "export", "wrong"}), AllOf(HasSubstr("They are not for sale."), HasSubstr("\"corrected\"")));
}

TEST_F(ExportsCliTest, CostsAreCountedForecastAndReckonedByAnotherRoute) {
  EXPECT_THAT(Out({"cost"}), HasSubstr("no answer asked a model"));
  ModelServer server([](size_t, const ModelServer::Request&) { return ChatStream("The rotor is held by four screws [1].", 100, 10); });
  const auto route = [&](const std::string& name, const std::string& input, const std::string& more) {
    Write(name, "prices: {version: p1, currency: EUR, models: {m: {input_per_million: " + input +
                    ", output_per_million: 10}, l: {input_per_million: 50, output_per_million: 100}}}\n" + more +
                    "tiers:\n  - {name: small, endpoint: '" + server.base_url() + "', model: m, max_tokens: 100}\n"
                    "  - {name: large, endpoint: '" + server.base_url() + "', model: l, max_tokens: 100, api_key_env: NO_SUCH_KEY}\n");
    return dir_.File(name);
  };
  const std::string now = route("now.yaml", "2", "limits: {tenant_day: 1}\n");
  Out({"ask", "notes", "How is the rotor held?", "--route", now}, {{"NO_SUCH_KEY", "x"}});
  // 100 * 2 + 10 * 10 millionths.
  const std::string cost = Out({"cost", "--by", "tier", "--generator-route", now}, {{"NO_SUCH_KEY", "x"}});
  EXPECT_THAT(cost, AllOf(HasSubstr("small"), HasSubstr("100 + 10"), HasSubstr("0.0003 EUR"),
                          HasSubstr("in the books of these days: 0.0003"), HasSubstr("the limit is")));
  const Json json = Json::parse(Out({"cost", "--json"}));
  EXPECT_EQ(json["totals"][0]["cost_nano"], 300000);
  // Asked at half the price, with a way to the large one: from 100 * 1 + 10 * 10 to that and 100 * 50 + 10 * 100.
  const std::string other = Out({"cost", "--route", route("other.yaml", "1", "escalate: {below_grounding: 0.5, most: 1}\n")});
  EXPECT_THAT(other, AllOf(HasSubstr("it was      0.0003 EUR"), HasSubstr("it would be 0.0002 EUR to 0.0062 EUR"), HasSubstr("assumed:")));
  EXPECT_THAT(Run({"cost", "--route", dir_.File("none.yaml")}).err, HasSubstr("--route"));
  // A model rewrites, and quotes answer: a cost without a currency, which is shown all the same.
  Write("rewriting.yaml", "pipeline: {name: asker, collection: notes, rewrite: {questions: 2}, retrieve: {mode: text},\n"
                          "  generate: {generator: builtin/extractive}}\n");
  Out({"apply", "-f", dir_.File("rewriting.yaml")});
  Out({"ask", "--pipeline", "asker", "How is the rotor held?", "--generator-route", now}, {{"NO_SUCH_KEY", "x"}});
  const std::string rewritten = Out({"cost"});
  EXPECT_THAT(rewritten, Not(HasSubstr("no prices")));
  EXPECT_THAT(rewritten, HasSubstr("asker"));
  EXPECT_EQ(Run({"cost", "--by", "week"}).exit_code, 2);
}

}  // namespace
}  // namespace vouch
