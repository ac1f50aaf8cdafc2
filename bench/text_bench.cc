// Text analysis and BM25 on one thread over the judged collections (../shared/data, or
// $VOUCH_TEST_DATA).
//   bench_text [seconds for each figure]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "index/inverted/analyzer.h"
#include "index/inverted/bm25.h"
#include "index/inverted/text_index.h"
#include "tests/index/inverted/test_data.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261124;
constexpr size_t kK = 10;

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

// Runs `pass` until `seconds` are over; passes in a second.
template <typename Pass>
double PassesPerSecond(double seconds, Pass pass) {
  pass();
  const auto start = std::chrono::steady_clock::now();
  size_t passes = 0;
  do {
    pass();
    ++passes;
  } while (Seconds(start) < seconds);
  return static_cast<double>(passes) / Seconds(start);
}

std::string FirstLineOf(const char* command) {
  std::string line;
  if (FILE* pipe = ::popen(command, "r")) {
    char buffer[256];
    if (std::fgets(buffer, sizeof(buffer), pipe) != nullptr) line = buffer;
    ::pclose(pipe);
  }
  line.erase(line.find_last_not_of('\n') + 1);
  return line.empty() ? "unknown" : line;
}

double AnalyzerMegabytesPerSecond(const Analyzer& analyzer, const std::vector<std::string>& texts,
                                  double seconds) {
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  const double passes = PassesPerSecond(seconds, [&] {
    for (const std::string& text : texts) analyzer.Analyze(text);
  });
  return passes * static_cast<double>(bytes) / 1e6;
}

struct SearchFigures {
  double queries_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

SearchFigures MeasureSearch(const TextIndex& index, const Analyzer& analyzer,
                            std::vector<std::string> queries, double seconds) {
  std::mt19937_64 random(kSeed);
  std::shuffle(queries.begin(), queries.end(), random);
  const TextSegment segment{.index = &index, .first_row = RowId(0)};
  std::vector<double> latencies;
  const double passes = PassesPerSecond(seconds, [&] {
    for (const std::string& query : queries) {
      const auto start = std::chrono::steady_clock::now();
      const TextStatistics statistics =
          CollectTextStatistics({&segment, 1}, analyzer.Analyze(query));
      const auto hits = SearchBm25({&segment, 1}, statistics, Bm25Params(), kK, CancelToken());
      if (!hits.ok()) std::abort();
      latencies.push_back(Seconds(start) * 1e6);
    }
  });
  std::sort(latencies.begin(), latencies.end());
  return {.queries_per_second = passes * static_cast<double>(queries.size()),
          .p50_us = latencies[latencies.size() / 2],
          .p99_us = latencies[latencies.size() * 99 / 100]};
}

void MeasureCollection(const std::string& name, const Analyzer& analyzer, double seconds) {
  const JudgedCollection collection = ReadJudgedCollection(name);
  if (collection.empty()) {
    std::printf("| %s | not here: set VOUCH_TEST_DATA | | | | | | |\n", name.c_str());
    return;
  }
  // An accent on every e sends nearly all text past the ASCII path.
  std::vector<std::string> accented;
  for (const std::string& text : collection.texts) {
    accented.push_back(absl::StrReplaceAll(text, {{"e", "\u00e9"}}));
  }
  std::vector<AnalyzedText> analyzed;
  for (const std::string& text : collection.texts) analyzed.push_back(analyzer.Analyze(text));
  std::vector<const AnalyzedText*> pointers;
  for (const AnalyzedText& text : analyzed) pointers.push_back(&text);
  const std::shared_ptr<const TextIndex> index = TextIndex::Build(pointers);
  std::vector<std::string> queries;
  for (const auto& [id, text] : collection.queries) queries.push_back(text);

  const double ascii = AnalyzerMegabytesPerSecond(analyzer, collection.texts, seconds);
  const double unicode = AnalyzerMegabytesPerSecond(analyzer, accented, seconds);
  const double builds = PassesPerSecond(seconds, [&] { TextIndex::Build(pointers); });
  const SearchFigures search = MeasureSearch(*index, analyzer, queries, seconds);
  std::printf("| %s | %zu | %.1f | %.1f | %.0f | %.0f | %.0f | %.0f |\n", name.c_str(),
              collection.texts.size(), ascii, unicode,
              builds * static_cast<double>(collection.texts.size()), search.queries_per_second,
              search.p50_us, search.p99_us);
  std::fflush(stdout);
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  const auto analyzer = vouch::Analyzer::Create("english");
  if (!analyzer.ok()) {
    std::fprintf(stderr, "bench_text: %s\n", analyzer.status().ToString().c_str());
    return 1;
  }
  std::printf("commit %s, %s, one thread, seed %llu (order of queries), k=%zu, one segment\n\n",
              vouch::FirstLineOf("git rev-parse --short HEAD 2>/dev/null").c_str(),
              vouch::FirstLineOf("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo").c_str(),
              static_cast<unsigned long long>(vouch::kSeed), vouch::kK);
  std::printf(
      "| collection | documents | analysis, ASCII (MB/s) | analysis, accented (MB/s) | indexed "
      "(documents/s) "
      "| BM25 (queries/s) | p50 (µs) | p99 (µs) |\n|---|---|---|---|---|---|---|---|\n");
  for (const char* name : {"cranfield", "cisi"}) {
    vouch::MeasureCollection(name, **analyzer, seconds);
  }
  return 0;
}
