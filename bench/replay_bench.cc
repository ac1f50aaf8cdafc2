// Answers replayed after later writes, a merge, a restart, and by other instructions: how many are the same, and to which
// level. 1,000 answers over 20,000 x 128 with HNSW and BM25, then 10,000 writes and deletes, then one segment of all; each
// replay in a process of its own, with all instructions of the processor, without AVX-512, and without any.
//
//   bench_replay            all of it
//   bench_replay --replay DIR   replays what lies there, as one of the processes does
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "bench/answer_data.h"
#include "index/simd_limit.h"
#include "rag/replay.h"
#include "storage/answer_records.h"

namespace vouch {
namespace {

constexpr size_t kRows = 20'000, kAnswers = 1'000, kLaterWrites = 10'000, kDeletes = 2'000;
constexpr uint32_t kDim = 128;
constexpr uint64_t kSeed = 20261127;

// Prints a table row; 0 where all hold R2 at least.
int ReplayAll(const std::filesystem::path& dir) {
  const auto database = AnswerData::Open(dir);
  EmbedderRegistry embedders({});
  std::map<std::string, size_t> levels;
  std::string first_difference;
  const auto start = std::chrono::steady_clock::now();
  AnswerData::Check(database->store().ScanAnswers(Principal().tenant, [&](std::string_view id, std::string_view) {
    const auto report = Replay(*database, embedders, {.id = std::string(id)});
    AnswerData::Check(report.status());
    ++levels[report->level];
    for (const ReplayStep& step : report->steps) {
      if (!step.identical && first_difference.empty()) first_difference = Concat(step.level, ": ", step.first_difference);
    }
    return true;
  }));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const char* limit = std::getenv("VOUCH_SIMD");
  const size_t all = levels["R0"] + levels["R1"] + levels["R2"] + levels["R3"] + levels[""];
  std::printf("| %s | %zu | %zu | %zu | %zu | %.1f |\n", limit == nullptr ? "all" : limit, all, levels["R3"], levels["R2"],
              levels["R1"] + levels["R0"] + levels[""], seconds);
  if (!first_difference.empty()) std::printf("\nfirst difference, %s\n", first_difference.c_str());
  std::fflush(stdout);
  return levels["R2"] + levels["R3"] == all && all == kAnswers ? 0 : 1;
}

void Fill(const std::filesystem::path& dir) {
  const auto database = AnswerData::Open(dir);
  EmbedderRegistry embedders({});
  const auto collection = database->CreateCollection(Principal(), "bench", AnswerData::Schema(kDim));
  AnswerData::Check(collection.status());
  AnswerData data(kSeed);
  data.Write(**collection, embedders, kDim, 0, kRows);
  AnswerData::Check((*collection)->WaitIdle(CancelToken()));
  for (size_t i = 0; i < kAnswers; ++i) {
    AskRequest request;
    request.collection = "bench";
    request.question = data.Question();
    AnswerData::Check(Ask(*database, embedders, request).status());
  }
  // Half of them change points that answers may stand on, half are new.
  data.Write(**collection, embedders, kDim, kRows - kLaterWrites / 2, kLaterWrites);
  WriteRequest deletes;
  for (size_t id = 0; id < kDeletes; ++id) deletes.deletes.emplace_back(id * 5);
  AnswerData::Check((*collection)->Write(std::move(deletes)).status());
  AnswerData::Check((*collection)->Optimize(CancelToken(), [](double) {}));
}

// The replays of one process, with VOUCH_SIMD set to `limit` where that is not empty.
int ReplayIn(const std::filesystem::path& dir, const char* limit) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    if (*limit != '\0') ::setenv("VOUCH_SIMD", limit, 1);
    ::execl("/proc/self/exe", "bench_replay", "--replay", dir.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int Main() {
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / ("vouch-replay-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  Fill(dir);
  std::printf("%zu answers over %zu x %u, then %zu writes, %zu deletes, one segment, restarts; seed %llu\n\n", kAnswers, kRows,
              kDim, kLaterWrites, kDeletes, static_cast<unsigned long long>(kSeed));
  std::printf("| instructions | replayed | R3 | R2 | less | s |\n|---|---|---|---|---|---|\n");
  int failed = 0;
  for (const char* limit : {"", "avx2", "scalar"}) failed |= ReplayIn(dir, limit);
  std::filesystem::remove_all(dir);
  return failed;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--replay") return vouch::ReplayAll(argv[2]);
  return vouch::Main();
}
