// What hybrid search costs beside its legs, in process: made texts and a mixture of vectors,
// cosine, k = 10, one caller, by its thread's processor time.
//   bench_fusion [rows] [queries]
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "bench/mixture.h"
#include "bench/thread_clock.h"
#include "query/database.h"

namespace vouch {
namespace {

constexpr size_t kDim = 128, kBatch = 500, kWords = 60, kQueryWords = 6, kVocabulary = 20'000;
constexpr uint64_t kSeed = 20261125;
constexpr int kTurns = 7;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_fusion: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

// Word number r is drawn with a chance that falls as 1 / r.
std::string MakeText(size_t words, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform;
  std::string text;
  for (size_t i = 0; i < words; ++i) {
    const double rank = std::exp(uniform(random) * std::log(static_cast<double>(kVocabulary)));
    text += 'w';
    text += std::to_string(static_cast<size_t>(rank));
    text += ' ';
  }
  return text;
}

std::shared_ptr<Collection> MakeCollection(Database& database, const std::vector<float>& data) {
  CollectionSchema schema;
  DenseField& dense = schema.dense.emplace_back();
  dense.name = "v";
  dense.dim = kDim;
  dense.metric = Metric::kCosine;
  TextField& text = schema.text.emplace_back();
  text.name = "text";
  text.paths = {"text"};
  auto collection = database.CreateCollection(Principal(), "bench", schema);
  Check(collection.status());
  std::mt19937_64 random(kSeed);
  const size_t rows = data.size() / kDim;
  for (size_t row = 0; row < rows;) {
    WriteRequest request;
    for (const size_t end = std::min(rows, row + kBatch); row < end; ++row) {
      PointInput& point = request.upserts.emplace_back();
      point.id = PointId(row);
      point.vectors.emplace_back(
          "v", std::vector<float>(data.begin() + row * kDim, data.begin() + (row + 1) * kDim));
      point.payload = R"({"text":")";
      point.payload += MakeText(kWords, random);
      point.payload += "\"}";
    }
    Check((*collection)->Write(std::move(request)).status());
  }
  Check((*collection)->Optimize(CancelToken(), [](double) {}));
  return *collection;
}

enum class Kind { kText, kDense, kFused, kRm3, kRocchio, kBoth };
constexpr const char* kNames[] = {"text leg", "dense leg",   "both, z_score by reliability",
                                  "and RM3",  "and Rocchio", "and both feedbacks (the default)"};

SearchRequest MakeRequest(Kind kind, const std::string& words, std::vector<float> vector) {
  QueryNode text{.node = TextLeaf{.field = "text", .text = words}, .filter = std::nullopt};
  QueryNode dense{.node = DenseLeaf{.field = "v", .vector = std::move(vector)},
                  .filter = std::nullopt};
  SearchRequest request;
  request.limit = 10;
  request.projection.payload = false;
  if (kind == Kind::kText || kind == Kind::kDense) {
    // As deep as under a fusion: a leg alone would be asked for ten hits.
    request.limit = 100;
    request.query = kind == Kind::kText ? std::move(text) : std::move(dense);
    return request;
  }
  FuseNode fuse;
  fuse.method = FusionMethod::kZScore;
  fuse.by_reliability = true;
  fuse.children = {std::move(dense), std::move(text)};
  if (kind != Kind::kFused) fuse.feedback.emplace();
  if (kind == Kind::kRm3 || kind == Kind::kBoth) fuse.feedback->text = Rm3();
  if (kind == Kind::kRocchio || kind == Kind::kBoth) fuse.feedback->dense = Rocchio();
  request.query.node = std::move(fuse);
  return request;
}

// Mean milliseconds a query.
double RunTurn(const Collection& collection, const std::vector<SearchRequest>& requests) {
  const double start = ThreadMilliseconds();
  for (const SearchRequest& request : requests) Check(collection.Search(request).status());
  return (ThreadMilliseconds() - start) / static_cast<double>(requests.size());
}

void Measure(const Collection& collection, const std::vector<float>& vectors, size_t count) {
  std::mt19937_64 random(kSeed + 1);
  std::vector<std::vector<SearchRequest>> requests(std::size(kNames));
  for (size_t q = 0; q < count; ++q) {
    const std::string words = MakeText(kQueryWords, random);
    for (size_t kind = 0; kind < std::size(kNames); ++kind) {
      requests[kind].push_back(
          MakeRequest(static_cast<Kind>(kind), words,
                      {vectors.begin() + q * kDim, vectors.begin() + (q + 1) * kDim}));
    }
  }
  std::vector<std::vector<double>> times(std::size(kNames));
  for (int turn = 0; turn < kTurns; ++turn) {
    for (size_t kind = 0; kind < times.size(); ++kind) {
      times[kind].push_back(RunTurn(collection, requests[kind]));
    }
  }
  std::printf(
      "| search | ms a query, median [range of %d turns] | of the slower leg |\n|---|---|---|\n",
      kTurns);
  double slower = 0;
  for (size_t kind = 0; kind < times.size(); ++kind) {
    std::sort(times[kind].begin(), times[kind].end());
    const double median = times[kind][kTurns / 2];
    if (kind < 2) slower = std::max(slower, median);
    std::printf("| %s | %.3f [%.3f-%.3f] | %.2f |\n", kNames[kind], median, times[kind].front(),
                times[kind].back(), kind < 2 ? median / std::max(median, slower) : median / slower);
  }
}

void Run(size_t rows, size_t query_count) {
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("vouch-bench-fusion-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  {
    DatabaseOptions options;
    options.path = directory.string();
    auto database = Database::Open(options);
    Check(database.status());
    const std::shared_ptr<Collection> collection =
        MakeCollection(**database, MakeMixture(rows, kDim, kSeed, 1));
    std::printf("%zu rows of %zu dimensions and %zu words, %zu queries of %zu words\n\n", rows,
                kDim, kWords, query_count, kQueryWords);
    Measure(*collection, MakeMixture(query_count, kDim, kSeed, 2), query_count);
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  const size_t rows = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 50'000;
  const size_t queries = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 500;
  if (rows == 0 || queries == 0) {
    std::fprintf(stderr, "usage: bench_fusion [rows] [queries]\n");
    return 2;
  }
  vouch::Run(rows, queries);
  return 0;
}
