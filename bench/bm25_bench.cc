// BM25 top-10 on one thread against SQLite FTS5 and an exhaustive scorer, in turns, in one process;
// every ranking is compared with the exhaustive one's, rows and score bits.
//   bench_bm25 [rounds]
// Abstracts: 11,000 made of cranfield's and cisi's (../shared/data, or $VOUCH_TEST_DATA): the first
// of each as it is, in the others half of the sentences are replaced by ones drawn from the same
// collection. Manual: Debian's postgresql-doc-15 through the engine's parser and chunker.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bench/bm25_rivals.h"
#include "bench/manual_chunks.h"
#include "index/inverted/analyzer.h"
#include "index/inverted/bm25.h"
#include "index/inverted/text_index.h"
#include "tests/index/inverted/test_data.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261125;
constexpr size_t kAbstracts = 11'000;
constexpr size_t kK = 10;
constexpr size_t kSampledQueries = 300;
constexpr size_t kFtsQueries = 40;  // of a round; it is slow

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
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

std::vector<std::string> Sentences(const std::string& text) {
  std::vector<std::string> sentences;
  for (size_t begin = 0; begin < text.size();) {
    const size_t dot = text.find(". ", begin);
    const size_t end = dot == std::string::npos ? text.size() : dot + 2;
    sentences.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return sentences;
}

struct QuerySet {
  std::string name;
  std::vector<std::string> queries;
};

struct Corpus {
  std::string name;
  std::vector<std::string> texts;
  std::vector<QuerySet> sets;
};

Corpus MakeAbstracts() {
  Corpus corpus{
      .name = "abstracts", .texts = {}, .sets = {{"judged queries", {}}, {"title words", {}}}};
  std::mt19937_64 random(kSeed);
  for (const char* name : {"cranfield", "cisi"}) {
    const JudgedCollection collection = ReadJudgedCollection(name);
    if (collection.empty()) return corpus;
    std::vector<std::vector<std::string>> documents;
    std::vector<const std::string*> all;
    for (const std::string& text : collection.texts) documents.push_back(Sentences(text));
    for (const auto& document : documents) {
      for (const std::string& sentence : document) all.push_back(&sentence);
    }
    for (size_t i = 0; i < kAbstracts / 2; ++i) {
      std::string text;
      const bool original = i < documents.size();
      for (const std::string& sentence : documents[i % documents.size()]) {
        text += original || random() % 2 == 0 ? sentence : *all[random() % all.size()];
      }
      corpus.texts.push_back(std::move(text));
    }
    for (const auto& [id, text] : collection.queries) corpus.sets[0].queries.push_back(text);
    for (size_t i = 0; i < kSampledQueries / 2; ++i) {
      const std::vector<std::string>& document = documents[random() % documents.size()];
      if (!document.empty()) corpus.sets[1].queries.push_back(document.front().substr(0, 60));
    }
  }
  return corpus;
}

Corpus MakeManual() {
  Corpus corpus{
      .name = "postgresql-doc-15", .texts = {}, .sets = {{"heading words", {}}, {"sentences", {}}}};
  std::vector<std::string> headings;
  for (const Chunk& chunk : ReadManualChunks()) {
    corpus.texts.push_back(chunk.heading + "\n" + chunk.text);
    headings.push_back(chunk.heading.substr(chunk.heading.rfind('>') + 1));
  }
  if (corpus.texts.empty()) return corpus;
  std::mt19937_64 random(kSeed);
  for (size_t i = 0; i < kSampledQueries; ++i) {
    corpus.sets[0].queries.push_back(headings[random() % headings.size()]);
    const std::vector<std::string> sentences =
        Sentences(corpus.texts[random() % corpus.texts.size()]);
    corpus.sets[1].queries.push_back(sentences[random() % sentences.size()].substr(0, 200));
  }
  return corpus;
}

// Runs `search` over the first `count` queries; queries a second.
double QueriesPerSecond(size_t count, const std::function<void(size_t)>& search) {
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < count; ++i) search(i);
  return static_cast<double>(count) / Seconds(start);
}

std::string Spread(std::vector<double> values) {
  if (values.empty()) return "-";
  std::sort(values.begin(), values.end());
  return absl::StrCat(std::llround(values[values.size() / 2]), " [", std::llround(values.front()),
                      "–", std::llround(values.back()), "]");
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// The words of a query that our analyzer keeps, as they were written: the rival gets no stop words
// either.
std::vector<std::string> Words(const Analyzer& analyzer, const std::string& query) {
  std::set<std::string> words;
  for (const Token& token : analyzer.Tokenize(query))
    words.insert(query.substr(token.begin, token.end - token.begin));
  return {words.begin(), words.end()};
}

class CorpusBench {
 public:
  CorpusBench(const Corpus& corpus, const Analyzer& analyzer)
      : corpus_(corpus), analyzer_(analyzer) {
    std::vector<AnalyzedText> texts;
    std::vector<const AnalyzedText*> pointers;
    for (const std::string& text : corpus.texts) texts.push_back(analyzer.Analyze(text));
    for (const AnalyzedText& text : texts) pointers.push_back(&text);
    index_ = TextIndex::Build(pointers);
    exhaustive_ = std::make_unique<ExhaustiveBm25>(texts);
    fts5_ = Fts5::Open(corpus.texts);
    file_bytes_ = index_->Serialize().size();
  }

  void Print(const QuerySet& set, int rounds) {
    std::vector<AnalyzedText> analyzed;
    std::vector<std::vector<std::string>> words;
    double terms = 0;
    for (const std::string& query : set.queries) {
      analyzed.push_back(analyzer_.Analyze(query));
      words.push_back(Words(analyzer_, query));
      terms += static_cast<double>(analyzed.back().terms.size());
    }
    size_t equal = 0;
    for (const AnalyzedText& query : analyzed)
      equal += Search(query) == exhaustive_->Search(query, {}, kK);
    std::vector<double> alone, ours, all, rival, ratios;
    for (int round = 0; round < rounds; ++round) {
      alone.push_back(QueriesPerSecond(analyzed.size(), [&](size_t i) { Search(analyzed[i]); }));
      ours.push_back(QueriesPerSecond(
          set.queries.size(), [&](size_t i) { Search(analyzer_.Analyze(set.queries[i])); }));
      all.push_back(QueriesPerSecond(set.queries.size(),
                                     [&](size_t i) { exhaustive_->Search(analyzed[i], {}, kK); }));
      if (fts5_ == nullptr) continue;
      rival.push_back(QueriesPerSecond(std::min(kFtsQueries, words.size()), [&](size_t i) {
        fts5_->Search(words[(i + static_cast<size_t>(round) * kFtsQueries) % words.size()], kK);
      }));
      ratios.push_back(ours.back() / rival.back());
    }
    std::printf("| %s, %zu | %s, %zu | %.1f | %s | %s | %s | %s | %.0f | %zu of %zu |\n",
                corpus_.name.c_str(), corpus_.texts.size(), set.name.c_str(), set.queries.size(),
                terms / static_cast<double>(analyzed.size()), Spread(ours).c_str(),
                Spread(alone).c_str(), Spread(all).c_str(), Spread(rival).c_str(), Median(ratios),
                equal, analyzed.size());
    std::fflush(stdout);
  }

  void PrintSize() const {
    std::printf("%s: %zu bytes of index file, %zu in memory\n", corpus_.name.c_str(), file_bytes_,
                index_->memory_bytes());
  }

 private:
  std::vector<Hit> Search(const AnalyzedText& query) const {
    const TextSegment segment{.index = index_.get(), .first_row = RowId(0)};
    const TextStatistics statistics = CollectTextStatistics({&segment, 1}, query);
    auto hits = SearchBm25({&segment, 1}, statistics, Bm25Params(), kK, CancelToken());
    if (!hits.ok()) std::abort();
    return *std::move(hits);
  }

  const Corpus& corpus_;
  const Analyzer& analyzer_;
  std::shared_ptr<const TextIndex> index_;
  std::unique_ptr<ExhaustiveBm25> exhaustive_;
  std::unique_ptr<Fts5> fts5_;
  size_t file_bytes_ = 0;
};

int Main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  const auto analyzer = Analyzer::Create("english");
  if (!analyzer.ok()) {
    std::fprintf(stderr, "bench_bm25: %s\n", analyzer.status().ToString().c_str());
    return 1;
  }
  std::printf(
      "commit %s, %s, one thread, seed %llu, k=%zu, one segment, analysis of the query included, "
      "median [range] of "
      "%d rounds\n\n",
      FirstLineOf("git rev-parse --short HEAD 2>/dev/null").c_str(),
      FirstLineOf("sed -n 's/^model name[^:]*: //p' /proc/cpuinfo").c_str(),
      static_cast<unsigned long long>(kSeed), kK, rounds);
  std::printf(
      "| texts | queries | terms a query | engine (queries/s) | its search alone | exhaustive, "
      "search alone | SQLite FTS5 | engine "
      "/ FTS5 | "
      "rankings equal to exhaustive |\n|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Corpus& corpus : {MakeAbstracts(), MakeManual()}) {
    if (corpus.texts.empty()) {
      std::printf("| %s | not here | | | | | | | |\n", corpus.name.c_str());
      continue;
    }
    CorpusBench bench(corpus, **analyzer);
    for (const QuerySet& set : corpus.sets) bench.Print(set, rounds);
    bench.PrintSize();
  }
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) { return vouch::Main(argc, argv); }
