#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "nlohmann/json.hpp"
#include "tests/api/program.h"
#include "tests/crash/server_process.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ServeTest : public testing::Test {
 protected:
  void SetUp() override {
    server_ = ServerProcess::Start(VOUCH_BINARY, dir_.File("data"), dir_.File("log"));
    ASSERT_NE(server_, nullptr) << Log();
    std::filesystem::create_directories(dir_.File("notes"));
    std::ofstream(dir_.File("notes/storage.md")) << "# Storage\n\nA backup is incremental.\n";
  }
  ProgramResult Run(std::vector<std::string> words) {
    return RunVouch(words, dir_.path(), {{"VOUCH_SERVER", server_->address()}});
  }
  std::string Log() {
    std::ifstream in(dir_.File("log"));
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  TempDir dir_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(ServeTest, TheCommandsWorkAgainstIt) {
  EXPECT_THAT(Log(), HasSubstr("vouch " VOUCH_VERSION " listens on " + server_->address() +
                               " (data: " + dir_.File("data") + ")"));
  ProgramResult result = Run({"ingest", "notes", dir_.File("notes")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  result = Run({"query", "notes", "incremental"});
  EXPECT_THAT(result.out, HasSubstr("notes/storage.md")) << result.err;
  result = Run({"ask", "notes", "Is a backup incremental?"});
  EXPECT_THAT(result.out, HasSubstr("A backup is incremental.")) << result.err;
  result = Run({"backup", "create", dir_.File("backups")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  result = Run({"version", "--server", server_->address()});
  EXPECT_THAT(result.out, HasSubstr("server " VOUCH_VERSION));
}

// Every command, in an order in which each finds what it needs, with --json.
TEST_F(ServeTest, EveryCommandPrintsJsonFromAServerAndFromAFolder) {
  std::ofstream(dir_.File("q.jsonl")) << "{\"_id\": \"q\", \"text\": \"incremental\"}\n";
  std::ofstream(dir_.File("qrels")) << "q 0 notes/storage.md 1\n";
  for (const std::vector<std::string>& where :
       {std::vector<std::string>{"--server", server_->address()},
        {"--data", dir_.File("embedded")}}) {
    const std::string backups = dir_.File("backups" + where[0]);
    const auto json = [&](std::vector<std::string> words, const std::vector<std::string>& store) {
      SCOPED_TRACE(testing::PrintToString(words));
      words.insert(words.end(), {"--json", "--quiet"});
      words.insert(words.end(), store.begin(), store.end());
      const ProgramResult result = RunVouch(words, dir_.path());
      EXPECT_EQ(result.exit_code, 0) << result.err;
      EXPECT_EQ(result.err, "");
      auto value = nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
      EXPECT_TRUE(value.is_object()) << result.out;
      return value;
    };
    json({"ingest", "notes", dir_.File("notes")}, where);
    json({"collection", "create", "films", "--dense", "v:2:l2", "--text", "title:title"}, where);
    for (const char* name : {"list", "show", "versions", "optimize"}) {
      std::vector<std::string> words = {"collection", name};
      if (words[1] != "list") words.push_back("films");
      json(words, where);
    }
    json({"query", "notes", "incremental"}, where);
    json({"ask", "notes", "Is a backup incremental?"}, where);
    const auto answers = json({"answer", "list"}, where);
    ASSERT_EQ(answers["answers"].size(), 1u) << answers;
    json({"answer", "show", answers["answers"][0]["id"]}, where);
    json({"eval", "retrieval", "notes", "--queries", dir_.File("q.jsonl"), "--qrels",
          dir_.File("qrels")},
         where);
    json({"tag", "create", "notes", "t"}, where);
    json({"tag", "list", "notes"}, where);
    json({"tag", "delete", "notes", "t"}, where);
    json({"backup", "create", backups}, where);
    json({"collection", "drop", "films", "--yes"}, where);
    json({"version"}, where);
    // Offline by nature.
    json({"backup", "list", backups}, {});
    json({"backup", "verify", backups}, {});
    json({"restore", backups, "--to", dir_.File("restored" + where[0])}, {});
    json({"verify", "--data", dir_.File("restored" + where[0])}, {});
  }
}

TEST_F(ServeTest, AStoreInUseSaysToSpeakToTheServer) {
  ASSERT_EQ(Run({"ingest", "notes", dir_.File("notes")}).exit_code, 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"query", "notes", "text"}, {"serve", "--listen", "127.0.0.1:0"}}) {
    std::vector<std::string> command = words;
    command.insert(command.end(), {"--data", dir_.File("data")});
    const ProgramResult result = Run(command);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, AllOf(HasSubstr("FAILED_PRECONDITION"), HasSubstr("--server")))
        << words[0];
  }
}

TEST_F(ServeTest, StopsInOrderOnSigtermAndLeavesASoundStore) {
  ASSERT_EQ(Run({"ingest", "notes", dir_.File("notes")}).exit_code, 0);
  EXPECT_EQ(server_->Stop(), 0) << Log();
  EXPECT_THAT(Log(), HasSubstr("stopped"));
  const ProgramResult result = RunVouch({"verify", "--data", dir_.File("data")}, dir_.path());
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST_F(ServeTest, WhileTheStoreOpensItAnswersAndCanBeStopped) {
  // A write-ahead log that is a pipe: the store opens as long as nobody writes to it.
  std::filesystem::create_directories(dir_.File("slow/store"));
  std::ofstream(dir_.File("slow/store/CURRENT")) << "MANIFEST-000001\n";
  std::ofstream(dir_.File("slow/store/MANIFEST-000001")) << "";
  ASSERT_EQ(::mkfifo(dir_.File("slow/store/000004.log").c_str(), 0600), 0);
  const std::string address = server_->address();
  ASSERT_EQ(server_->Stop(), 0) << "its port is free for the other one";
  server_ = ServerProcess::StartAt(address, VOUCH_BINARY, dir_.File("slow"), dir_.File("slow.log"));
  ProgramResult result;
  for (int tries = 0; tries < 1000; ++tries) {  // until it listens
    result = Run({"collection", "list"});
    ASSERT_EQ(result.exit_code, 1) << result.out;
    if (result.err.find("no server answers") == std::string::npos) break;
  }
  EXPECT_THAT(result.err, AllOf(HasSubstr("UNAVAILABLE"), HasSubstr("opening its store")));
  const int status = server_->Stop();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
}

TEST_F(ServeTest, MistakesOnItsCommandLineAreUsageErrors) {
  const auto serve = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--data", dir_.File("other")});
    return RunVouch(words, dir_.path());
  };
  ProgramResult result = serve({"serv"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("no command 'serv'"), HasSubstr("serve, ")));
  result = serve({"serve", "start"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("start"));
  result = serve({"serve", "--listen", "127.0.0.1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("HOST:PORT"));
  result = serve({"serve", "--request-threads", "0"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("from 4 to 4096"));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("other"))) << "no store is made for a mistake";
}

TEST_F(ServeTest, AnAddressInUseIsAnErrorThatNamesIt) {
  const ProgramResult result = RunVouch(
      {"serve", "--data", dir_.File("other"), "--listen", server_->address()}, dir_.path());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("UNAVAILABLE"), HasSubstr(server_->address()),
                                HasSubstr("another program, perhaps another `vouch serve`"),
                                HasSubstr("--listen")));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("other"))) << "it looked at the address first";
}

}  // namespace
}  // namespace vouch
