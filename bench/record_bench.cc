// What keeping an answer's record costs of an ask: 100,000 x 384 with HNSW and BM25, hybrid, 8 chunks, quoted answers.
//
// Each ask is followed by the keeping of the same record once more under another id: its JSON, its digest with salt, and the
// synced write with its link in the chain. The share is the median of those over the median of the ask without them, all of
// one process and in turns. A sync's time hangs on the disk, so the same is shown without it.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/answer_data.h"
#include "storage/answer_digest.h"
#include "storage/answer_records.h"

namespace vouch {
namespace {

constexpr size_t kRows = 100'000, kAsks = 2'000;
constexpr uint32_t kDim = 384;
constexpr uint64_t kSeed = 20261126;
constexpr char kSalt[] = "0123456789abcdef";

template <typename Work>
double Micros(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main() {
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / ("vouch-record-" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  {
    const auto database = AnswerData::Open(dir);
    EmbedderRegistry embedders({});
    const auto collection = database->CreateCollection(Principal(), "bench", AnswerData::Schema(kDim));
    AnswerData::Check(collection.status());
    AnswerData data(kSeed);
    data.Write(**collection, embedders, kDim, 0, kRows);
    AnswerData::Check((*collection)->Optimize(CancelToken(), [](double) {}));
    std::vector<double> asks, keeps, jsons, digests, bytes;
    for (size_t i = 0; i < kAsks; ++i) {
      AskRequest request;
      request.collection = "bench";
      request.question = data.Question();
      Answer answer;
      const double whole = Micros([&] {
        auto asked = Ask(*database, embedders, request);
        AnswerData::Check(asked.status());
        answer = *std::move(asked);
      });
      std::string record;
      jsons.push_back(Micros([&] { record = AnswerToJson(answer); }));
      bytes.push_back(static_cast<double>(record.size()));
      digests.push_back(Micros([&] { (void)DigestAnswer(record, AnswerSalts(kSalt)); }));
      const double kept = Micros([&] {
        const std::string again = AnswerToJson(answer);
        AnswerData::Check(AnswerRecords::Of(database->store())
                              .PutAnswerLinked("bench", Concat("again-", answer.id), again, kSalt)
                              .status());
      });
      keeps.push_back(kept);
      asks.push_back(whole - kept);
    }
    const double ask = Median(asks), keep = Median(keeps), json = Median(jsons), digest = Median(digests);
    std::printf("%zu x %u, HNSW and BM25, hybrid, 8 chunks, %zu asks, seed %llu; a record has %.0f bytes\n\n", kRows, kDim, kAsks,
                static_cast<unsigned long long>(kSeed), Median(bytes));
    std::printf("| step | p50 µs | of the ask without it |\n|---|---|---|\n");
    std::printf("| ask without keeping | %.0f | |\n", ask);
    std::printf("| keeping, synced | %.0f | %.1f %% |\n", keep, 100 * keep / ask);
    std::printf("| of that JSON | %.0f | %.1f %% |\n", json, 100 * json / ask);
    std::printf("| of that digest | %.0f | %.1f %% |\n", digest, 100 * digest / ask);
    std::printf("| of that write and sync | %.0f | %.1f %% |\n", keep - json - digest, 100 * (keep - json - digest) / ask);
  }
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace vouch

int main() { return vouch::Main(); }
