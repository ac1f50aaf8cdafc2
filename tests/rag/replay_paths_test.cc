// Answers are the same after later writes, a merge and a restart, and whatever instructions the processor has: each replay
// runs in a process of its own. bench/replay_bench.cc does it at size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "bench/answer_data.h"
#include "rag/replay.h"
#include "storage/answer_records.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

constexpr size_t kRows = 1'500, kAnswers = 25, kLaterWrites = 600;
constexpr uint32_t kDim = 48;
constexpr char kFolderVariable[] = "VOUCH_REPLAY_TEST_DIR";

void Fill(const std::string& dir) {
  DatabaseOptions options;
  options.path = dir;
  options.seal_rows = 500;
  const auto database = Database::Open(options).value();
  EmbedderRegistry embedders({});
  const auto collection = database->CreateCollection(Principal(), "bench", AnswerData::Schema(kDim)).value();
  AnswerData data(7);
  data.Write(*collection, embedders, kDim, 0, kRows);
  ASSERT_TRUE(collection->WaitIdle(CancelToken()).ok());
  for (size_t i = 0; i < kAnswers; ++i) {
    AskRequest request;
    request.collection = "bench";
    request.question = data.Question();
    ASSERT_TRUE(Ask(*database, embedders, request).ok());
  }
  data.Write(*collection, embedders, kDim, kRows - kLaterWrites / 2, kLaterWrites);
  WriteRequest deletes;
  for (uint64_t id = 0; id < kRows; id += 7) deletes.deletes.emplace_back(id);
  ASSERT_TRUE(collection->Write(std::move(deletes)).ok());
  ASSERT_TRUE(collection->Optimize(CancelToken(), [](double) {}).ok());
}

// Run by the other test, in a process of its own.
TEST(ReplayPaths, DISABLED_Child) {
  const char* dir = std::getenv(kFolderVariable);
  ASSERT_NE(dir, nullptr);
  const auto database = AnswerData::Open(dir);
  EmbedderRegistry embedders({});
  size_t replayed = 0;
  const absl::Status scanned =
      database->store().ScanAnswers(Principal().tenant, [&](std::string_view id, std::string_view) {
        const ReplayReport report = Replay(*database, embedders, {.id = std::string(id)}).value();
        EXPECT_EQ(report.level, "R3");
        for (const ReplayStep& step : report.steps) EXPECT_EQ(step.first_difference, "");
        ++replayed;
        return true;
      });
  ASSERT_TRUE(scanned.ok()) << scanned;
  EXPECT_EQ(replayed, kAnswers);
}

TEST(ReplayPaths, AnswersAreTheSameByAnyInstructions) {
  const TempDir dir;
  ASSERT_NO_FATAL_FAILURE(Fill(dir.path()));
  for (const char* limit : {"", "avx2", "scalar"}) {
    SCOPED_TRACE(limit);
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("VOUCH_SIMD", limit, 1);
      ::setenv(kFolderVariable, dir.path().c_str(), 1);
      ::execl("/proc/self/exe", "replay_paths", "--gtest_filter=ReplayPaths.DISABLED_Child",
              "--gtest_also_run_disabled_tests", nullptr);
      ::_exit(127);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

}  // namespace
}  // namespace vouch
