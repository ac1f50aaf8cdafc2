// `vouch promote`, `rollback`, `gate`, `slo`, `hook` and `audit`, from a folder and from a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/crash/server_process.h"
#include "tests/support/hook_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Json = nlohmann::json;

class DeliveryCliTest : public testing::Test {
 protected:
  DeliveryCliTest() {
    std::string questions;
    for (const char* word : {"rotor", "stator", "piston", "valve", "gasket", "crank"}) {
      const std::string part = word;
      Write("notes/" + part + ".md",
            "# " + part + "\n\nThe " + part + " is held by four screws.\n");
      questions += Json{{"_id", part},
                        {"text", "How is the " + part + " held?"},
                        {"answers", Json::array({"The " + part + " is held by four screws."})},
                        {"documents", Json::array({"notes/" + part + ".md"})}}
                       .dump() +
                   "\n";
    }
    Write("questions.jsonl", questions);
    Pipeline(3);
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }
  void Pipeline(int chunks) {
    Write("spec/support.yaml",
          "pipeline:\n  name: support\n  collection: notes\n  retrieve: {mode: text, chunks: " +
              std::to_string(chunks) + "}\n");
  }
  ProgramResult Run(std::vector<std::string> words) {
    words.insert(words.end(), store_.begin(), store_.end());
    return RunVouch(words, dir_.path());
  }
  std::string Out(const std::vector<std::string>& words) {
    const ProgramResult result = Run(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  void Prepare() {
    Out({"ingest", "notes", dir_.File("notes")});
    Out({"dataset", "import", "set", dir_.File("questions.jsonl")});
    Out({"apply", "-f", dir_.File("spec")});
  }
  std::string HooksFile(const std::string& text) {
    Write("hooks.yaml", text);
    return dir_.File("hooks.yaml");
  }

  TempDir dir_;
  std::vector<std::string> store_;
};

constexpr char kGate[] =
    "gate:\n  name: quality\n  pipeline: support\n  alias: champion\n  dataset: set\n"
    "  thresholds: [{metric: map, min: 0.9}, {metric: token_f1, min: 0.5}]\n"
    "  no_worse: [{metric: token_f1, margin: 0.1}]\n";

TEST_F(DeliveryCliTest, APipelineEarnsItsPlace) {
  Write("spec/gate.yaml", kGate);
  Prepare();
  EXPECT_THAT(Out({"gate", "list"}), HasSubstr("quality  1        support@champion  set      3"));
  EXPECT_THAT(Out({"gate", "show", "quality"}), HasSubstr("\"metric\": \"map\""));
  EXPECT_THAT(Run({"gate", "show", "qualty"}).err, HasSubstr("there are quality"));

  ProgramResult result = Run({"promote", "support@1", "--to", "champion"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("support@champion stays unset"),
                                HasSubstr("vouch eval run --pipeline support@1 --dataset set@1")));
  const std::string evaluation =
      Out({"eval", "run", "--pipeline", "support@1", "--dataset", "set@1"});
  EXPECT_THAT(evaluation, AllOf(HasSubstr("support@1"), HasSubstr("token_f1")));
  EXPECT_THAT(Out({"promote", "support@1", "--to", "champion", "--dry-run"}),
              HasSubstr("a dry run"));
  EXPECT_THAT(Out({"pipeline", "list"}), Not(HasSubstr("champion")));
  EXPECT_THAT(Out({"promote", "support@1", "--to", "champion"}),
              AllOf(HasSubstr("quality@1: passed"), HasSubstr("support@champion is version 1")));
  EXPECT_THAT(Out({"promote", "support@1", "--to", "champion"}), HasSubstr("is version 1 already"));

  // Nothing passes the gate by another door.
  Pipeline(5);
  Out({"apply", "-f", dir_.File("spec")});
  result = Run({"pipeline", "alias", "support", "champion", "--number", "2"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("support@2 has no finished evaluation"));
  Out({"eval", "run", "--pipeline", "support", "--dataset", "set"});
  EXPECT_THAT(
      Out({"promote", "support", "--to", "champion"}),
      AllOf(HasSubstr("no worse by 0.1"), HasSubstr("support@champion is version 2 (was 1)")));
  EXPECT_THAT(Out({"rollback", "support@champion", "--reason", "wrong prices"}),
              HasSubstr("support@champion is version 1 again"));
  result = Run({"rollback", "support@champion"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("nothing to go back to"));
  EXPECT_EQ(Run({"rollback", "support"}).exit_code, 2);
  EXPECT_EQ(Run({"promote", "support@2", "--to", "champion", "--force"}).exit_code, 2);

  EXPECT_THAT(Out({"audit", "list", "--of", "pipeline/support@"}),
              AllOf(HasSubstr("rollback"), HasSubstr("promote.refused"), HasSubstr("wrong prices"),
                    Not(HasSubstr("gate.apply"))));
  const Json list =
      Json::parse(Out({"audit", "list", "--action", "promote", "--limit", "1", "--json"}));
  const Json evidence = Json::parse(std::string(list["entries"][0]["after"]));
  EXPECT_EQ(evidence["gates"][0]["passed"], true);
  EXPECT_FALSE(evidence["gates"][0]["champion_evaluation"].empty());
  EXPECT_THAT(Out({"audit", "show", std::to_string(list["entries"][0]["number"].get<uint64_t>())}),
              HasSubstr("\"verdict\": \"pass\""));
  const std::string head = Json::parse(Out({"audit", "verify", "--json"}))["head"];
  EXPECT_THAT(Out({"audit", "verify", "--head", head}), HasSubstr("nothing was changed"));
  std::string other = head;
  other.back() = other.back() == '0' ? '1' : '0';
  result = Run({"audit", "verify", "--head", other});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("the audit log was changed: entry"));
}

TEST_F(DeliveryCliTest, MistakesInGatesNameTheFileAndTheLine) {
  Prepare();
  Write("spec/gate.yaml", "gate:\n  name: quality\n  treshold: 3\n");
  EXPECT_THAT(Run({"apply", "-f", dir_.File("spec")}).err,
              HasSubstr("gate.yaml:3:3: unknown key 'treshold'"));
  Write("spec/gate.yaml",
        "\ngate:\n  name: quality\n  pipeline: support\n  alias: champion\n  dataset: set\n"
        "  thresholds: [{metric: mapp, min: 1}]\n");
  EXPECT_THAT(Run({"apply", "-f", dir_.File("spec")}).err,
              AllOf(HasSubstr("gate.yaml:1: gate 'quality': thresholds[0].metric is 'mapp'")));
  Write("spec/gate.yaml", "slo: {name: s, pipeline: support, alias: champion, signal: speed}\n");
  EXPECT_THAT(Run({"apply", "-f", dir_.File("spec")}).err,
              HasSubstr("signal is 'speed'; it takes grounding"));
}

TEST_F(DeliveryCliTest, AnObjectiveIsCountedOverTheAliasAnswers) {
  Write("spec/slo.yaml",
        "slo: {name: answered, pipeline: support, alias: champion, signal: answered, objective: "
        "0.5, min_events: 2}\n");
  Prepare();
  Out({"promote", "support", "--to", "champion"});
  EXPECT_THAT(Out({"slo", "list"}),
              AllOf(HasSubstr("answered  support@champion"), HasSubstr("0 of 0")));
  Out({"ask", "--pipeline", "support@champion", "How is the rotor held?"});
  Out({"ask", "--pipeline", "support@champion", "zebra zebra?"});
  Out({"ask", "--pipeline", "support@champion", "zebras?"});
  EXPECT_THAT(Out({"slo", "show", "answered"}),
              AllOf(HasSubstr("1 of 3 answers were good"), HasSubstr("promotions are frozen")));
  Pipeline(5);
  Out({"apply", "-f", dir_.File("spec")});
  const ProgramResult result = Run({"promote", "support@2", "--to", "champion"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("133 % of the error budget is spent"));
  EXPECT_THAT(
      Out({"promote", "support@2", "--to", "champion", "--force", "--reason", "it mends it"}),
      HasSubstr("by force"));
}

TEST_F(DeliveryCliTest, ACommandOfItsOwnIsToldAndAsked) {
  Write("told.sh", "#!/bin/sh\ncat >> " + dir_.File("told") + "\n");
  Write("asked.sh",
        "#!/bin/sh\necho '{\"allowed\": false, \"reason\": \"frozen for the fair\"}'\n");
  for (const char* script : {"told.sh", "asked.sh"})
    std::filesystem::permissions(dir_.File(script), std::filesystem::perms::owner_all);
  Prepare();
  const std::string told =
      "  - {name: told, events: [after.*], command: [" + dir_.File("told.sh") + "]}\n";
  const std::string hooks = HooksFile("hooks:\n" + told);
  Out({"promote", "support", "--to", "champion", "--hooks", hooks});
  std::ifstream in(dir_.File("told"));
  const Json event = Json::parse(in);
  EXPECT_EQ(event["type"], "vouch.after.promote");
  HooksFile("hooks:\n" + told +
            "  - {name: asked, events: [before.*, before.tag], on_failure: refuse, command: [" +
            dir_.File("asked.sh") + "]}\n");
  EXPECT_THAT(Run({"hook", "list", "--hooks", hooks}).err, HasSubstr("events has 'before.*'"));
  HooksFile(
      "hooks:\n" + told +
      "  - {name: asked, events: [before.promote, before.tag], on_failure: refuse, command: [" +
      dir_.File("asked.sh") + "]}\n");
  EXPECT_THAT(Out({"hook", "list", "--hooks", hooks}), HasSubstr("asked"));
  EXPECT_THAT(Out({"hook", "test", "told", "--hooks", hooks}), HasSubstr("took a test event"));
  EXPECT_THAT(Run({"hook", "show", "x", "--hooks", hooks}).err, HasSubstr("there are told, asked"));
  ProgramResult result = Run({"promote", "support", "--to", "best", "--hooks", hooks});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("frozen for the fair"));
  result = Run({"tag", "create", "notes", "fair", "--hooks", hooks});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err,
              HasSubstr("hook asked refuses before.tag of collection/notes: frozen for the fair"));
  EXPECT_THAT(Out({"tag", "list", "notes"}), Not(HasSubstr("fair")));
  EXPECT_THAT(Run({"hook", "test", "told"}).err, HasSubstr("this process has no hooks"));
}

// The server is killed while a hook is being told: the next one tells it again, with the same id.
TEST_F(DeliveryCliTest, AKillLosesNoEvent) {
  HookServer hook([](size_t number, const HookServer::Request&) {
    return HookServer::Reply{.delay_ms = number == 0 ? 20'000 : 0};
  });
  const std::string data = dir_.File("data");
  const std::vector<std::string> flags = {
      "--hooks",
      HooksFile("hooks: [{name: told, events: [after.promote], timeout_ms: 30000, url: '" +
                hook.url() + "'}]\n")};
  auto server = ServerProcess::Start(VOUCH_BINARY, data, dir_.File("log"), flags);
  ASSERT_NE(server, nullptr);
  store_ = {"--server", server->address()};
  Prepare();
  Out({"promote", "support", "--to", "champion"});
  ASSERT_TRUE(hook.Await(1));
  server->Kill();
  server = ServerProcess::Start(VOUCH_BINARY, data, dir_.File("log"), flags);
  ASSERT_NE(server, nullptr);
  ASSERT_TRUE(hook.Await(2));
  EXPECT_EQ(Json::parse(hook.requests()[0].body), Json::parse(hook.requests()[1].body));
  store_ = {"--server", server->address()};
  EXPECT_THAT(Out({"pipeline", "list"}), HasSubstr("champion=1"));
}

// The server is killed while promotions run: an alias stands where the audit log says, and what was said to be moved is.
TEST_F(DeliveryCliTest, AKilledPromotionIsWholeOrNone) {
  const std::string data = dir_.File("data");
  auto server = ServerProcess::Start(VOUCH_BINARY, data, dir_.File("log"));
  ASSERT_NE(server, nullptr);
  store_ = {"--server", server->address()};
  Prepare();
  Pipeline(5);
  Out({"apply", "-f", dir_.File("spec")});
  std::mt19937 random(20'261'126);
  std::atomic<size_t> said = 0;
  int to = 1;
  for (int round = 0; round < 10; ++round) {
    const size_t before = said;
    std::thread promoting([&] {
      for (;; to = 3 - to) {
        if (Run({"promote", "support@" + std::to_string(to), "--to", "champion"}).exit_code != 0) return;
        ++said;
      }
    });
    // At some moment of the second promotion or of one after it, however slow the machine is.
    for (int i = 0; i < 10'000 && said == before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 160));
    server->Kill();
    promoting.join();
    server = ServerProcess::Start(VOUCH_BINARY, data, dir_.File("log"));
    ASSERT_NE(server, nullptr);
    store_ = {"--server", server->address()};
    const Json entries = Json::parse(Out({"audit", "list", "--action", "promote", "--limit", "1000", "--json"}))["entries"];
    EXPECT_GE(entries.size(), said);
    uint64_t at = 0;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {  // oldest first
      EXPECT_EQ(Json::parse((*entry)["before"].get<std::string>())["number"], at);
      at = Json::parse((*entry)["after"].get<std::string>())["number"];
    }
    const std::string list = Out({"pipeline", "list"});
    if (at == 0) {
      EXPECT_THAT(list, Not(HasSubstr("champion")));
    } else {
      EXPECT_THAT(list, HasSubstr("champion=" + std::to_string(at)));
      to = at == 1 ? 2 : 1;
    }
    Out({"audit", "verify"});
  }
  EXPECT_GE(said, 10u);
}

}  // namespace
}  // namespace vouch
