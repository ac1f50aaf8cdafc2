// `vouch apply` of hooks, from a folder and from a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

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
using ::testing::SizeIs;
using ::testing::StartsWith;
using Json = nlohmann::json;

class HookApplyCliTest : public testing::Test {
 protected:
  HookApplyCliTest() {
    Write("spec/support.yaml", "pipeline: {name: support, collection: notes}\n");
    Write("notes/rotor.md", "# Rotor\n\nThe rotor is held by four screws.\n");
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(dir_.File(name)).parent_path());
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }
  void Hook(const std::string& url, const std::string& more = "") {
    Write("spec/hook.yaml", "hook:\n  name: desk\n  events: [after.promote]\n  url: " + url + "\n" + more);
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
  std::string Apply(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"apply", "-f", dir_.File("spec")};
    words.insert(words.end(), more.begin(), more.end());
    return Out(words);
  }
  std::string Refused() {
    const ProgramResult result = Run({"apply", "-f", dir_.File("spec")});
    EXPECT_EQ(result.exit_code, 1) << result.out;
    return result.err;
  }
  void Serve(const std::vector<std::string>& flags) {
    server_.reset();
    server_ = ServerProcess::Start(VOUCH_BINARY, dir_.File("data"), dir_.File("log"), flags);
    ASSERT_NE(server_, nullptr);
    store_ = {"--server", server_->address()};
  }
  static HookServer::Handler Takes() {
    return [](size_t, const HookServer::Request&) { return HookServer::Reply{}; };
  }

  TempDir dir_;
  std::map<std::string, std::string> environment_;
  std::vector<std::string> store_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(HookApplyCliTest, AFolderOfItsOwnTellsThem) {
  HookServer server(Takes());
  Out({"ingest", "notes", dir_.File("notes")});
  Hook(server.url());
  EXPECT_THAT(Refused(), AllOf(HasSubstr("hook.yaml:1: hook 'desk': this process takes no hooks that are applied"),
                               HasSubstr("--hook-urls, VOUCH_HOOK_URLS or the key hook_urls")));
  EXPECT_THAT(Out({"pipeline", "list"}), StartsWith("no pipelines")) << "all is looked at before anything is changed";
  environment_["VOUCH_HOOK_URLS"] = "https://ci.example, " + server.url();
  std::string out = Apply({"--dry-run"});
  EXPECT_THAT(out, AllOf(StartsWith("+ hook desk@1\n"), HasSubstr("+   \"attempts\": 8"), HasSubstr("a dry run")));
  EXPECT_THAT(Out({"hook", "list"}), StartsWith("no hooks"));
  EXPECT_THAT(Apply(), HasSubstr("2 created, 0 changed, 0 removed, 0 as they were"));
  EXPECT_THAT(Apply(), HasSubstr("0 created, 0 changed, 0 removed, 2 as they were"));
  Hook(server.url(), "  attempts: 3\n");
  EXPECT_THAT(Apply(), AllOf(HasSubstr("~ hook desk@2\n"), HasSubstr("-   \"attempts\": 8"), HasSubstr("+   \"attempts\": 3")));
  Out({"promote", "support", "--to", "champion"});
  ASSERT_TRUE(server.Await(1));
  EXPECT_EQ(Json::parse(server.requests()[0].body)["type"], "vouch.after.promote");
  EXPECT_THAT(Out({"hook", "list"}), AllOf(HasSubstr("applied@2"), HasSubstr(server.url()), Not(HasSubstr("not called"))));
  EXPECT_THAT(Out({"hook", "test", "desk"}), HasSubstr("took a test event"));
  EXPECT_THAT(Out({"audit", "list", "--action", "hook.apply"}), HasSubstr("hook/desk"));

  // What the settings do not allow is seen, and not called.
  environment_["VOUCH_HOOK_URLS"] = "https://ci.example";
  EXPECT_THAT(Out({"hook", "list"}), HasSubstr("(not called)"));
  EXPECT_THAT(Out({"hook", "show", "desk"}),
              HasSubstr("not called  url is '" + server.url() + "'; the operator allows what lies under https://ci.example"));
  EXPECT_THAT(Run({"hook", "test", "desk"}).err, HasSubstr("hook desk is not called"));
  std::filesystem::remove(dir_.File("spec/hook.yaml"));
  EXPECT_THAT(Apply(), HasSubstr("1 as they were")) << "nothing goes without --prune";
  EXPECT_THAT(Apply({"--prune", "--dry-run"}), HasSubstr("- hook desk\n"));
  EXPECT_THAT(Out({"hook", "list"}), HasSubstr("desk"));
  EXPECT_THAT(Apply({"--prune"}), AllOf(HasSubstr("- hook desk\n"), HasSubstr("1 removed")));
  EXPECT_THAT(Out({"hook", "list"}), StartsWith("no hooks"));
}

TEST_F(HookApplyCliTest, MistakesNameTheFileAndTheField) {
  environment_["VOUCH_HOOK_URLS"] = "https://ci.example/hooks";
  environment_["VOUCH_SECRET"] = "s3cret";
  Out({"ingest", "notes", dir_.File("notes")});
  Hook("https://ci.example.evil.org/hooks");
  EXPECT_THAT(Refused(), HasSubstr("hook.yaml:1: hook 'desk': url is 'https://ci.example.evil.org/hooks'; the operator allows"));
  Hook("https://ci.example/hooks/../admin");
  EXPECT_THAT(Refused(), HasSubstr("has '..' in its path"));
  Hook("https://ci.example/hooks", "  secret_env: VOUCH_SECRET\n");
  EXPECT_THAT(Refused(), HasSubstr("secret_env is 'VOUCH_SECRET'; it takes a variable of the server whose name begins with"));
  Hook("https://ci.example/hooks", "  secret_env: VOUCH_HOOK_CI\n");
  EXPECT_THAT(Refused(), HasSubstr("VOUCH_HOOK_CI, which is not set where the server runs"));
  Hook("https://ci.example/hooks", "  command: [/bin/true]\n");
  EXPECT_THAT(Refused(), HasSubstr("command is not for hooks that are applied"));
  Hook("https://ci.example/hooks", "  secret_file: /etc/passwd\n");
  EXPECT_THAT(Refused(), HasSubstr("hook.yaml:5:3: unknown key 'secret_file'"));
  Hook("https://ci.example/hooks", "  on_failure: maybe\n");
  EXPECT_THAT(Refused(), HasSubstr("on_failure is 'maybe'; it takes allow or refuse"));
  Write("hooks.yaml", "hooks: [{name: desk, events: [after.tag], url: 'http://127.0.0.1:9'}]\n");
  environment_["VOUCH_HOOKS"] = dir_.File("hooks.yaml");
  Hook("https://ci.example/hooks");
  EXPECT_THAT(Refused(), HasSubstr("the operator's file has a hook of this name"));
  EXPECT_THAT(Out({"hook", "list"}), HasSubstr("desk  file "));
  EXPECT_THAT(Run({"hook", "remove", "desk"}).err, HasSubstr("hook desk is the operator's"));
}

// The server is killed while an applied hook is told: the next one tells it again; a version that comes then goes on from there.
TEST_F(HookApplyCliTest, AServerKeepsThemOverAKill) {
  HookServer hook([](size_t number, const HookServer::Request&) {
    return HookServer::Reply{.delay_ms = number == 0 ? 20'000 : 0};
  });
  HookServer other(Takes());
  const std::vector<std::string> flags = {"--hook-urls", hook.url() + "," + other.url()};
  Serve(flags);
  Out({"ingest", "notes", dir_.File("notes")});
  Hook(hook.url(), "  timeout_ms: 30000\n");
  Apply();
  Out({"promote", "support", "--to", "champion"});
  ASSERT_TRUE(hook.Await(1));
  server_->Kill();
  Serve(flags);
  ASSERT_TRUE(hook.Await(2));
  EXPECT_EQ(Json::parse(hook.requests()[0].body), Json::parse(hook.requests()[1].body));
  EXPECT_THAT(Out({"hook", "list"}), HasSubstr("applied@1"));
  Hook(other.url());
  EXPECT_THAT(Apply(), HasSubstr("~ hook desk@2"));
  Out({"promote", "support", "--to", "best"});
  ASSERT_TRUE(other.Await(1));
  EXPECT_THAT(other.requests(), SizeIs(1));
  EXPECT_THAT(hook.requests(), SizeIs(2));
  EXPECT_EQ(Json::parse(other.requests()[0].body)["subject"], "pipeline/support@best");
  Out({"hook", "remove", "desk"});
  EXPECT_THAT(Out({"hook", "list"}), StartsWith("no hooks"));
}

// A veto that is applied holds for what the same files change, and for callers.
TEST_F(HookApplyCliTest, OneMayRefuse) {
  HookServer hook([](size_t, const HookServer::Request& request) {
    const bool promotes = request.body.find("vouch.before.promote") != std::string::npos;
    return HookServer::Reply{.body = promotes ? R"({"allowed": false, "reason": "frozen for the fair"})" : ""};
  });
  Serve({"--hook-urls", hook.url()});
  Out({"ingest", "notes", dir_.File("notes")});
  Write("spec/hook.yaml", "hook:\n  name: fair\n  events: [before.promote, before.commit]\n  on_failure: refuse\n  url: " +
                              hook.url() + "\n---\nalias: {name: support, alias: champion}\n");
  EXPECT_THAT(Refused(), HasSubstr("frozen for the fair"));
  EXPECT_THAT(Run({"promote", "support", "--to", "champion"}).err, HasSubstr("frozen for the fair"));
  const size_t asked = hook.requests().size();
  Write("notes/stator.md", "# Stator\n\nThe stator is held by two screws.\n");
  Out({"ingest", "notes", dir_.File("notes")});
  EXPECT_GT(hook.requests().size(), asked) << "before.commit, without another start";
}

}  // namespace
}  // namespace vouch
