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

Figures Measure(const Collection& collection, const AnnData& data, int ef) {
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
  Figures figures;
  for (int turn = 0; turn <= kAnnTurns; ++turn) {
    const int64_t start = NowNs();
    const double processor_start = ProcessSeconds();
    for (const auto& batch : batches) Check(collection.SearchBatch(batch).status());
    if (turn == 0) continue;  // brings it near
    figures.qps.push_back(queries / SecondsSince(start));
    figures.micros.push_back((ProcessSeconds() - processor_start) * 1e6 / queries);
  }
  return figures;
}

}  // namespace

void MeasureBatches(const AnnData& data, const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/ann-batches-", getpid());
  Fill(*OpenWith(path, 1), data);
  std::printf("%s, batches of %zu through Collection::SearchBatch, ids and scores\n\n", data.name.c_str(), kBatch);
  std::printf(
      "| ef | threads | QPS by the clock | of one thread | processor us a query | of one thread | so on free cores |\n"
      "|---|---|---|---|---|---|---|\n");
  double qps[std::size(kEfs)] = {}, micros[std::size(kEfs)] = {};
  for (const size_t threads : kThreads) {
    const std::unique_ptr<Database> database = OpenWith(path, threads);
    const auto collection = database->GetCollection(Principal(), "bench");
    Check(collection.status());
    for (size_t i = 0; i < std::size(kEfs); ++i) {
      const Figures figures = Measure(**collection, data, kEfs[i]);
      if (threads == 1) qps[i] = Median(figures.qps), micros[i] = Median(figures.micros);
      const double cost = Median(figures.micros) / micros[i];
      std::printf("| %d | %zu | %.0f | %.2f | %.1f | %.2f | %.2f |\n", kEfs[i], threads, Median(figures.qps),
                  Median(figures.qps) / qps[i], Median(figures.micros), cost, static_cast<double>(threads) / cost);
    }
  }
  std::fflush(stdout);
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace vouch
