#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/program.h"
#include "tests/support/pdf_writer.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;

// `vouch ingest --watch` in the background, its output in a file.
class WatchTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir_.File("notes/deep")); }
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File(name), std::ios::binary) << text;
  }

  void Start() {
    std::vector<std::string> words = {VOUCH_BINARY, "ingest", "notes", dir_.File("notes"), "--watch",
                                      "--embedder", "builtin/hash?dim=64", "--data", dir_.File("data")};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
      posix_spawn_file_actions_addopen(&actions, fd, dir_.File("out").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    ASSERT_EQ(::posix_spawn(&pid_, VOUCH_BINARY, &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }

  std::string Out() {
    std::ifstream in(dir_.File("out"));
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  // Waits until the output has the text.
  bool Says(const std::string& text) {
    for (int i = 0; i < 600; ++i) {
      if (Out().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }

  int Stop(int signal) {
    int state = 0;
    ::kill(pid_, signal);
    ::waitpid(pid_, &state, 0);
    pid_ = 0;
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
  }

  TempDir dir_;
  pid_t pid_ = 0;
};

TEST_F(WatchTest, FollowsWritesRenamesAndDeletesUntilASignal) {
  Write("notes/a.md", "# A\n\nFirst text.\n");
  Start();
  ASSERT_TRUE(Says("watching " + dir_.File("notes") + " (2 folders)")) << Out();
  Write("notes/deep/b.md", "# B\n\nSecond text.\n");
  ASSERT_TRUE(Says("1 document added, 0 changed, 1 unchanged, 0 deleted")) << Out();
  std::filesystem::rename(dir_.File("notes/deep/b.md"), dir_.File("notes/c.md"));
  ASSERT_TRUE(Says("1 document added, 0 changed, 1 unchanged, 1 deleted")) << Out();
  std::filesystem::remove(dir_.File("notes/a.md"));
  ASSERT_TRUE(Says("0 documents added, 0 changed, 1 unchanged, 1 deleted")) << Out();
  Write("notes/bad.pdf", "%PDF-1.4 nothing");
  ASSERT_TRUE(Says("notes/bad.pdf: the PDF cannot be read")) << Out();
  EXPECT_EQ(Stop(SIGTERM), 0);
  EXPECT_THAT(Out(), HasSubstr("stopped\n"));
  const ProgramResult found = RunVouch({"query", "notes", "second", "--mode", "text", "--data", dir_.File("data")}, dir_.path());
  EXPECT_THAT(found.out, HasSubstr("notes/c.md#0")) << found.err;
}

TEST_F(WatchTest, APdfIsCitedByItsPageAndMistakesAreTold) {
  Write("notes/manual.pdf", WritePdf({{{.text = "The first page."}}, {{.text = "Seals are replaced every ninety days."}}}));
  ProgramResult result = RunVouch({"ingest", "notes", dir_.File("notes"), "--data", dir_.File("data")}, dir_.path());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  result = RunVouch({"ask", "notes", "When are seals replaced?", "--data", dir_.File("data")}, dir_.path());
  EXPECT_THAT(result.out, HasSubstr("p. 2, bytes ")) << result.err;
  result = RunVouch({"ingest", "notes", dir_.File("notes"), "--chunker", "semantic"}, dir_.path());
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("there is no chunker 'semantic'; there are structure"));
  result = RunVouch({"ingest", "other", dir_.File("no-such-folder"), "--watch", "--data", dir_.File("new")}, dir_.path());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(dir_.File("new")));
}

}  // namespace
}  // namespace vouch
