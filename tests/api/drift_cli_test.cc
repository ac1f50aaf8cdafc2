// `vouch drift`, from a folder and over a server, and hooks that are asked before a commit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/support/hook_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

class DriftCliTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }
  // `count` notes, one a file, about one thing.
  void Notes(const std::string& thing, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      Write("notes/" + thing + number + ".md", "# " + thing + " " + number + "\n\nThe " + thing + " of shelf " +
                                                   number + " was checked and is in good order.\n");
    }
  }
  ProgramResult Run(std::vector<std::string> words) { return RunVouch(words, dir_.path(), environment_); }
  std::string Out(const std::vector<std::string>& words) {
    const ProgramResult result = Run(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  void Ingest() { Out({"ingest", "notes", dir_.File("notes"), "--embedder", "builtin/hash?dim=64", "--quiet"}); }

  TempDir dir_;
  std::map<std::string, std::string> environment_;
};

TEST_F(DriftCliTest, DocumentsAboutSomethingElseAlarmAndTheHookIsTold) {
  HookServer server([](size_t, const HookServer::Request&) { return HookServer::Reply(); });
  Write("hooks.yaml", "hooks:\n  - {name: desk, events: [after.drift], url: '" + server.url() + "'}\n");
  environment_["VOUCH_HOOKS"] = dir_.File("hooks.yaml");
  Notes("rotor", 40);
  Ingest();
  Write("drift.yaml", "drift:\n  name: notes\n  collection: notes\n  watch: [corpus, embedder]\n  window: 40\n");
  EXPECT_THAT(Out({"apply", "-f", dir_.File("drift.yaml")}), StartsWith("+ drift notes@1\n"));
  EXPECT_THAT(Out({"apply", "-f", dir_.File("drift.yaml")}), StartsWith("= drift notes@1\n"));
  EXPECT_THAT(Out({"drift", "list"}), AllOf(HasSubstr("notes: corpus, embedder"), HasSubstr("none")));
  const ProgramResult early = Run({"drift", "check", "notes"});
  EXPECT_EQ(early.exit_code, 1);
  EXPECT_THAT(early.err, HasSubstr("has no reference yet: vouch drift reference notes"));
  EXPECT_THAT(Out({"drift", "reference", "notes"}),
              HasSubstr("reference 1, of notes at version 1: 0 questions, 40 documents, 16 sentinel texts"));
  EXPECT_THAT(Out({"drift", "check", "notes"}),
              AllOf(HasSubstr("corpus: cannot tell\n    0 documents were written since; it takes 30"),
                    HasSubstr("embedder: steady\n    all 16 sentinel texts")));
  Notes("invoice", 40);
  Ingest();
  const std::string checked = Out({"drift", "check", "notes"});
  EXPECT_THAT(checked, AllOf(HasSubstr("corpus: drift"), HasSubstr("novelty"), HasSubstr("alarm 1, "),
                             HasSubstr("invoice")));
  ASSERT_TRUE(server.Await(1));
  const Json event = Json::parse(server.requests()[0].body);
  EXPECT_EQ(event["type"], "vouch.after.drift");
  EXPECT_EQ(event["data"]["action"], "drift.begin");
  const Json shown = Json::parse(Out({"drift", "show", "notes", "--json"}));
  EXPECT_EQ(shown["drifting"], Json::array({"corpus"}));
  EXPECT_EQ(shown["alarms"][0]["kinds"][0]["kind"], "corpus");
  EXPECT_THAT(Out({"drift", "show", "notes"}), StartsWith("monitor notes, version 1, of notes: corpus, embedder\n"));
  Out({"drift", "remove", "notes"});
  EXPECT_THAT(Run({"drift", "show", "notes"}).err, HasSubstr("there is no monitor 'notes'"));
}

TEST_F(DriftCliTest, MistakesNameTheFieldAndWhatItTakes) {
  Notes("rotor", 1);
  Ingest();
  const auto mistake = [this](const std::string& text) {
    Write("drift.yaml", "drift:\n  name: n\n" + text);
    const ProgramResult result = Run({"apply", "-f", dir_.File("drift.yaml")});
    EXPECT_EQ(result.exit_code, 1);
    return result.err;
  };
  EXPECT_THAT(mistake("  collection: notes\n  watch: [answers]\n"),
              HasSubstr("drift 'n': watch has 'answers'; there are queries, corpus, embedder, index"));
  EXPECT_THAT(mistake("  collection: notes\n  watch: [queries]\n  window: 7\n"),
              HasSubstr("window is 7; it takes 30 to 1000"));
  EXPECT_THAT(mistake("  watch: [queries]\n"), HasSubstr("takes a collection or a pipeline"));
  EXPECT_THAT(mistake("  pipeline: none\n  watch: [queries]\n"), HasSubstr("none"));
  // What an alarm starts is looked for now: at the alarm it would be too late.
  const std::string watches = "  collection: notes\n  watch: [corpus]\n  on_alarm:\n";
  EXPECT_THAT(mistake(watches + "    evaluate: {pipeline: nobody, dataset: d}\n"),
              AllOf(HasSubstr("on_alarm.evaluate.pipeline: "), HasSubstr("nobody")));
  Write("p.yaml", "pipeline:\n  name: p\n  collection: notes\n");
  Out({"apply", "-f", dir_.File("p.yaml")});
  EXPECT_THAT(mistake(watches + "    evaluate: {pipeline: p, dataset: nothing}\n"),
              AllOf(HasSubstr("on_alarm.evaluate.dataset: "), HasSubstr("nothing")));
  EXPECT_THAT(mistake(watches + "    reembed: {embedder: builtin/lsaa}\n"),
              AllOf(HasSubstr("on_alarm.reembed.embedder: "), HasSubstr("builtin/lsaa")));
  EXPECT_THAT(Run({"drift", "list"}).out, HasSubstr("no drift monitors"));
}

TEST_F(DriftCliTest, AHookCanRefuseAWrite) {
  HookServer server([](size_t, const HookServer::Request&) {
    return HookServer::Reply{.body = R"({"allowed": false, "reason": "the archive is closed"})"};
  });
  Notes("rotor", 2);
  Ingest();
  Write("hooks.yaml", "hooks:\n  - {name: legal, events: [before.commit], on_failure: refuse, url: '" +
                          server.url() + "'}\n");
  environment_["VOUCH_HOOKS"] = dir_.File("hooks.yaml");
  const ProgramResult erased = Run({"point", "delete", "notes", "1"});
  EXPECT_EQ(erased.exit_code, 1);
  EXPECT_THAT(erased.err, HasSubstr("hook legal refuses before.commit of collection/notes: the archive is closed"));
  Notes("invoice", 1);
  const ProgramResult ingested = Run({"ingest", "notes", dir_.File("notes"), "--quiet"});
  EXPECT_EQ(ingested.exit_code, 1);
  EXPECT_THAT(ingested.err, HasSubstr("the archive is closed"));
  environment_.clear();
  EXPECT_THAT(Out({"point", "count", "notes"}), HasSubstr("2 points at version 1"));
}

}  // namespace
}  // namespace vouch
