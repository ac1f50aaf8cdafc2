// The whole engine in process, Collection::Search, against raw FAISS HNSW at the same parameters: 100,000 x 128 in one
// segment, one thread, in turns in one run. Hits come without payload. Then what payload and a filter cost.
//   bench_engine [rows] [queries]
#include <faiss/IndexHNSW.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/mixture.h"
#include "query/database.h"

namespace vouch {
namespace {

constexpr size_t kDim = 128, kBatch = 500;
constexpr uint64_t kSeed = 20261123;
constexpr uint32_t kK = 10;
constexpr int kM = 16, kEfConstruction = 200, kTurns = 7;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_engine: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::shared_ptr<Collection> MakeCollection(Database& database, const std::vector<float>& data) {
  CollectionSchema schema;
  DenseField& field = schema.dense.emplace_back();
  field.name = "v";
  field.dim = kDim;
  field.metric = Metric::kL2;
  field.hnsw = {.m = kM, .ef_construction = kEfConstruction, .ef_search = 100};
  PayloadField& tens = schema.payload.emplace_back();
  tens.path = "ten";
  tens.type = PayloadType::kInteger;
  auto collection = database.CreateCollection(Principal(), "bench", schema);
  Check(collection.status());
  const size_t rows = data.size() / kDim;
  for (size_t row = 0; row < rows;) {
    WriteRequest request;
    for (const size_t end = std::min(rows, row + kBatch); row < end; ++row) {
      PointInput& point = request.upserts.emplace_back();
      point.id = PointId(row);
      point.vectors.emplace_back(
          "v", std::vector<float>(data.begin() + row * kDim, data.begin() + (row + 1) * kDim));
      point.payload = "{\"ten\":" + std::to_string(row % 10) + "}";
    }
    Check((*collection)->Write(std::move(request)).status());
  }
  Check((*collection)->Optimize(CancelToken(), [](double) {}));
  return *collection;
}

using Rows = std::vector<uint64_t>;

struct Result {
  std::vector<double> qps;
  std::vector<Rows> found;
};

// One turn over all queries.
void RunTurn(size_t queries, const std::function<void(size_t, Rows&)>& search, Result& result) {
  result.found.assign(queries, {});
  const auto start = std::chrono::steady_clock::now();
  for (size_t q = 0; q < queries; ++q) search(q, result.found[q]);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  result.qps.push_back(static_cast<double>(queries) / took.count());
}

double Recall(const std::vector<Rows>& found, const std::vector<Rows>& truth) {
  size_t hits = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    for (uint64_t row : found[q]) hits += std::count(truth[q].begin(), truth[q].end(), row);
  }
  return static_cast<double>(hits) / static_cast<double>(truth.size() * kK);
}

std::vector<SearchRequest> MakeRequests(const std::vector<float>& queries, int ef, bool exact) {
  std::vector<SearchRequest> requests(queries.size() / kDim);
  for (size_t q = 0; q < requests.size(); ++q) {
    requests[q].query.node = DenseLeaf{
        .field = "v",
        .vector = std::vector<float>(queries.begin() + q * kDim, queries.begin() + (q + 1) * kDim),
        .ef_search = ef,
        .exact = exact};
    requests[q].limit = kK;
    requests[q].projection.payload = false;
  }
  return requests;
}

void SearchOne(const Collection& collection, const SearchRequest& request, Rows& found) {
  const absl::StatusOr<SearchResponse> response = collection.Search(request);
  Check(response.status());
  for (const PointHit& hit : response->hits) found.push_back(hit.row.value);
}

void Compare(const Collection& collection, faiss::IndexHNSWFlat& raw, const std::vector<float>& queries) {
  const size_t count = queries.size() / kDim;
  Result truth;
  const std::vector<SearchRequest> exact = MakeRequests(queries, 0, true);
  RunTurn(count, [&](size_t q, Rows& found) { SearchOne(collection, exact[q], found); }, truth);
  std::printf("| ef | engine recall | engine QPS | FAISS recall | FAISS QPS | ratio [range of %d turns] | "
              "with payload | with a filter keeping 10 %% |\n|---|---|---|---|---|---|---|---|\n", kTurns);
  for (const int ef : {64, 100}) {
    std::vector<SearchRequest> plain = MakeRequests(queries, ef, false), payload = plain, filtered = plain;
    for (SearchRequest& request : payload) request.projection.payload = true;
    for (SearchRequest& request : filtered) {
      request.filter = Filter{.op = FilterOp::kEq, .path = "ten", .values = {int64_t{3}}, .children = {}};
    }
    raw.hnsw.efSearch = ef;
    Result engine, faiss_result, with_payload, with_filter;
    std::vector<double> ratios;
    for (int turn = 0; turn < kTurns; ++turn) {
      RunTurn(count, [&](size_t q, Rows& found) { SearchOne(collection, plain[q], found); }, engine);
      RunTurn(count, [&](size_t q, Rows& found) {
        float distances[kK];
        faiss::Index::idx_t labels[kK];
        raw.search(1, &queries[q * kDim], kK, distances, labels);
        found.assign(labels, labels + kK);
      }, faiss_result);
      RunTurn(count, [&](size_t q, Rows& found) { SearchOne(collection, payload[q], found); }, with_payload);
      RunTurn(count, [&](size_t q, Rows& found) { SearchOne(collection, filtered[q], found); }, with_filter);
      ratios.push_back(engine.qps.back() / faiss_result.qps.back());
    }
    std::printf("| %d | %.4f | %.0f | %.4f | %.0f | %.2f [%.2f-%.2f] | %.0f | %.0f |\n", ef,
                Recall(engine.found, truth.found), Median(engine.qps), Recall(faiss_result.found, truth.found),
                Median(faiss_result.qps), Median(ratios), *std::min_element(ratios.begin(), ratios.end()),
                *std::max_element(ratios.begin(), ratios.end()), Median(with_payload.qps), Median(with_filter.qps));
  }
}

void Run(size_t rows, size_t query_count) {
  const std::vector<float> data = MakeMixture(rows, kDim, kSeed, 1);
  const std::vector<float> queries = MakeMixture(query_count, kDim, kSeed, 2);
  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("vouch-bench-engine-" + std::to_string(getpid()));
  DatabaseOptions options;
  options.path = directory.string();
  options.seal_rows = rows + 1;  // one segment, built once, at the end
  {
    auto database = Database::Open(options);
    Check(database.status());
    const std::shared_ptr<Collection> collection = MakeCollection(**database, data);
    omp_set_num_threads(1);
    faiss::IndexHNSWFlat raw(kDim, kM);
    raw.hnsw.efConstruction = kEfConstruction;
    raw.add(static_cast<faiss::Index::idx_t>(rows), data.data());
    std::printf("%zu x %zu, mixture data, L2, k=%u, M=%d, efConstruction=%d, %zu queries, seed %llu, one thread, "
                "%zu segment(s)\n\n", rows, kDim, kK, kM, kEfConstruction, query_count,
                static_cast<unsigned long long>(kSeed), collection->Stats().index.segments.size());
    Compare(*collection, raw, queries);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  const size_t rows = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  const size_t queries = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 2'000;
  if (rows < vouch::kK || queries == 0) {
    std::fprintf(stderr, "usage: bench_engine [rows >= %u] [queries >= 1]\n", vouch::kK);
    return 2;
  }
  vouch::Run(rows, queries);
  return 0;
}
