#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "bench/ann_engine.h"
#include "bench/ann_parts.h"
#include "query/database.h"

namespace vouch {
namespace {

constexpr size_t kBatch = 64;
constexpr int kEfs[] = {12, 100};
constexpr size_t kThreads[] = {1, 2};
constexpr int kRounds = 5, kTurns = 3;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_ann: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

std::unique_ptr<Database> OpenWith(const std::string& path, size_t batch_threads) {
  DatabaseOptions options;
  options.path = path;
  options.batch_threads = batch_threads;
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(options);
  Check(database.status());
  return *std::move(database);
}

void Fill(Database& database, const AnnData& data) {
  CollectionSchema schema;
  DenseField& field = schema.dense.emplace_back();
  field.name.assign(1, 'v');
  field.dim = static_cast<uint32_t>(data.dim);
  field.metric = Metric::kL2;
  const auto collection = database.CreateCollection(Principal(), "bench", schema);
  Check(collection.status());
  for (size_t row = 0; row < data.row_count();) {
    WriteRequest request;
    for (size_t i = 0; i < 500 && row < data.row_count(); ++i, ++row) {
      PointInput point;
      point.id = PointId(row);
      point.vectors.emplace_back("v", std::vector<float>(data.row(row), data.row(row) + data.dim));
      request.upserts.push_back(std::move(point));
    }
    Check((*collection)->Write(std::move(request)).status());
  }
  Check((*collection)->Optimize(CancelToken(), [](double) {}));
}

// What one ef costs on so many threads.
struct Figures {
  std::vector<double> qps;     // by the clock
  std::vector<double> micros;  // processor time a query, of all threads
};

// Adds what kTurns turns took.
void Measure(const Collection& collection, const AnnData& data, int ef, Figures& figures) {
  std::vector<std::vector<SearchRequest>> batches(data.query_count() / kBatch);
  for (size_t b = 0; b < batches.size(); ++b) {
    for (size_t i = 0; i < kBatch; ++i) {
      SearchRequest& request = batches[b].emplace_back();
      request.projection.payload = false;
      DenseLeaf leaf;
      const float* query = data.query(b * kBatch + i);
      leaf.vector.assign(query, query + data.dim);
      leaf.ef_search = ef;
      request.query.node = std::move(leaf);
    }
  }
  const auto queries = static_cast<double>(batches.size() * kBatch);
  for (int turn = 0; turn <= kTurns; ++turn) {
    const int64_t start = NowNs();
    const double processor_start = ProcessSeconds();
    for (const auto& batch : batches) Check(collection.SearchBatch(batch).status());
    if (turn == 0) continue;  // brings it near
    figures.qps.push_back(queries / SecondsSince(start));
    figures.micros.push_back((ProcessSeconds() - processor_start) * 1e6 / queries);
  }
}

}  // namespace

void MeasureBatches(const AnnData& data, const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/ann-batches-", getpid());
  Fill(*OpenWith(path, 1), data);
  // By turns, so that other work on the machine disturbs both alike.
  Figures figures[std::size(kEfs)][std::size(kThreads)];
  for (int round = 0; round < kRounds; ++round) {
    for (size_t t = 0; t < std::size(kThreads); ++t) {
      const std::unique_ptr<Database> database = OpenWith(path, kThreads[t]);
      const auto collection = database->GetCollection(Principal(), "bench");
      Check(collection.status());
      for (size_t e = 0; e < std::size(kEfs); ++e) Measure(**collection, data, kEfs[e], figures[e][t]);
    }
  }
  std::printf("%s, batches of %zu through Collection::SearchBatch, ids and scores\n\n", data.name.c_str(), kBatch);
  std::printf(
      "| ef | threads | QPS by the clock | of one thread | processor us a query, all threads | of one thread |\n"
      "|---|---|---|---|---|---|\n");
  for (size_t e = 0; e < std::size(kEfs); ++e) {
    for (size_t t = 0; t < std::size(kThreads); ++t) {
      const double qps = Median(figures[e][t].qps), micros = Median(figures[e][t].micros);
      std::printf("| %d | %zu | %.0f | %.2f | %.1f | %.2f |\n", kEfs[e], kThreads[t], qps,
                  qps / Median(figures[e][0].qps), micros, micros / Median(figures[e][0].micros));
    }
  }
  std::fflush(stdout);
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace vouch
