// Dense search: the engine in process against raw FAISS HNSW at the same parameters, one thread, in turns in one run.
//   bench_ann [rows] [dim] [queries]
#include <faiss/IndexHNSW.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/mixture.h"
#include "index/collection_index.h"
#include "index/dense/kernels.h"

namespace vouch {
namespace {

constexpr uint64_t kSeed = 20261123;
constexpr size_t kK = 10;
constexpr int kM = 16;
constexpr int kEfConstruction = 200;
constexpr int kTurns = 5;

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string MachineName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos && line.starts_with("model name")) return line.substr(colon + 2);
  }
  return "unknown";
}

// The true nearest rows, by scanning.
std::vector<std::vector<uint64_t>> Truth(const std::vector<float>& data, const std::vector<float>& queries, size_t dim) {
  std::vector<std::vector<uint64_t>> truth;
  const DistanceKernels& kernels = BestKernels();
  for (size_t q = 0; q < queries.size() / dim; ++q) {
    std::vector<std::pair<float, uint64_t>> found;
    for (size_t row = 0; row < data.size() / dim; ++row) {
      found.emplace_back(kernels.l2(queries.data() + q * dim, data.data() + row * dim, dim), row);
    }
    std::partial_sort(found.begin(), found.begin() + kK, found.end());
    auto& rows = truth.emplace_back();
    for (size_t i = 0; i < kK; ++i) rows.push_back(found[i].second);
  }
  return truth;
}

class NoRows final : public RowSource {
 public:
  absl::Status ScanRows(RowRange, const std::function<absl::Status(RowRecord&&)>&) const override {
    return absl::OkStatus();
  }
};

CollectionSchema BenchSchema(size_t dim) {
  CollectionSchema schema;
  DenseField& field = schema.dense.emplace_back();
  field.name = std::string("v");
  field.dim = static_cast<uint32_t>(dim);
  field.metric = Metric::kL2;
  field.hnsw = {.m = kM, .ef_construction = kEfConstruction, .ef_search = 100};
  return schema;
}

// Commits all rows in batches of 500; seconds taken.
double FillIndex(CollectionIndex& index, const std::vector<float>& data, size_t dim) {
  const auto start = std::chrono::steady_clock::now();
  const size_t rows = data.size() / dim;
  uint64_t version = 0;
  for (size_t begin = 0; begin < rows; begin += 500) {
    CommitRequest request;
    for (size_t row = begin; row < std::min(rows, begin + 500); ++row) {
      RowInput& input = request.upserts.emplace_back();
      input.id = PointId(row);
      input.vectors.emplace_back(data.begin() + static_cast<ptrdiff_t>(row * dim),
                                 data.begin() + static_cast<ptrdiff_t>((row + 1) * dim));
      input.payload = "{}";
    }
    request.prepared = *index.Prepare(request.upserts);
    CommitHeader header;
    header.version = Version(++version);
    header.first_row = RowId(begin);
    header.row_count = request.upserts.size();
    index.Apply(request, header);
  }
  return Seconds(start);
}

struct Turn {
  double queries_per_second = 0;
  double recall = 0;
};

template <typename SearchOne>
Turn Measure(const std::vector<float>& queries, size_t dim, const std::vector<std::vector<uint64_t>>& truth,
             SearchOne search) {
  std::vector<std::vector<uint64_t>> results(truth.size());
  const auto start = std::chrono::steady_clock::now();
  for (size_t q = 0; q < truth.size(); ++q) search(queries.data() + q * dim, results[q]);
  Turn turn;
  turn.queries_per_second = static_cast<double>(truth.size()) / Seconds(start);
  for (size_t q = 0; q < truth.size(); ++q) {
    for (uint64_t row : results[q]) {
      turn.recall += static_cast<double>(std::count(truth[q].begin(), truth[q].end(), row));
    }
  }
  turn.recall /= static_cast<double>(truth.size() * kK);
  return turn;
}

int Run(size_t rows, size_t dim, size_t query_count) {
  const std::vector<float> data = MakeMixture(rows, dim, kSeed, 1);
  const std::vector<float> queries = MakeMixture(query_count, dim, kSeed, 2);
  const auto truth = Truth(data, queries, dim);

  const std::string directory =
      absl::StrCat(std::filesystem::temp_directory_path().string(), "/vouch-bench-ann-", getpid());
  JobPool pool(1);
  NoRows source;
  IndexOptions options;
  options.directory = directory;
  options.filesystem = &Filesystem::System();
  options.job_pool = &pool;
  options.seal_rows = rows;
  auto index = CollectionIndex::Open(options, BenchSchema(dim), &source, Version(0), 0,
                                     [](const auto&) { return absl::OkStatus(); });
  if (!index.ok()) return std::fprintf(stderr, "%s\n", index.status().ToString().c_str()), 1;
  const double apply_s = FillIndex(**index, data, dim);
  const auto build_start = std::chrono::steady_clock::now();
  if (absl::Status status = (*index)->Optimize(CancelToken(), nullptr); !status.ok()) {
    return std::fprintf(stderr, "%s\n", status.ToString().c_str()), 1;
  }
  const double build_s = Seconds(build_start);
  omp_set_num_threads(1);
  const auto faiss_start = std::chrono::steady_clock::now();
  faiss::IndexHNSWFlat raw(static_cast<int>(dim), kM);
  raw.hnsw.efConstruction = kEfConstruction;
  raw.add(static_cast<faiss::Index::idx_t>(rows), data.data());
  const double faiss_build_s = Seconds(faiss_start);

  const IndexReader reader = (*index)->Read((*index)->latest(), rows);
  const RowMask mask = *reader.MakeMask(nullptr, Principal(), CancelToken());
  std::printf("%zu x %zu, mixture data, L2, k=%zu, M=%d, efConstruction=%d, %zu queries, seed %llu, one thread, "
              "kernels %s, %s\n\n",
              rows, dim, kK, kM, kEfConstruction, query_count, static_cast<unsigned long long>(kSeed),
              std::string(BestKernels().name).c_str(), MachineName().c_str());
  std::printf("Rows applied in %.2f s (%.0f rows/s); graph built in %.1f s, by raw FAISS in %.1f s.\n\n", apply_s,
              static_cast<double>(rows) / apply_s, build_s, faiss_build_s);
  std::printf("| ef | engine recall | engine QPS | FAISS recall | FAISS QPS | ratio [range of %d turns] |\n", kTurns);
  std::printf("|---|---|---|---|---|---|\n");
  for (const int ef : {32, 64, 100, 200}) {
    std::vector<double> engine_qps, faiss_qps, ratios;
    Turn engine, faiss_turn;
    for (int turn = 0; turn < kTurns; ++turn) {
      engine = Measure(queries, dim, truth, [&](const float* query, std::vector<uint64_t>& out) {
        const DenseQuery dense = {.field = 0, .vector = {query, dim}, .k = kK, .ef_search = ef, .exact = false};
        const auto hits = reader.SearchDense(dense, mask, CancelToken(), nullptr);
        for (const Hit& hit : *hits) out.push_back(hit.row.value);
      });
      raw.hnsw.efSearch = ef;
      faiss_turn = Measure(queries, dim, truth, [&](const float* query, std::vector<uint64_t>& out) {
        float distances[kK];
        faiss::Index::idx_t labels[kK];
        raw.search(1, query, kK, distances, labels);
        for (const faiss::Index::idx_t label : labels) out.push_back(static_cast<uint64_t>(label));
      });
      engine_qps.push_back(engine.queries_per_second);
      faiss_qps.push_back(faiss_turn.queries_per_second);
      ratios.push_back(engine.queries_per_second / faiss_turn.queries_per_second);
    }
    std::printf("| %d | %.4f | %.0f | %.4f | %.0f | %.2f [%.2f-%.2f] |\n", ef, engine.recall, Median(engine_qps),
                faiss_turn.recall, Median(faiss_qps), Median(ratios), *std::min_element(ratios.begin(), ratios.end()),
                *std::max_element(ratios.begin(), ratios.end()));
    std::fflush(stdout);
  }
  index->reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  const auto argument = [&](int i, size_t otherwise) {
    return argc > i ? static_cast<size_t>(std::strtoull(argv[i], nullptr, 10)) : otherwise;
  };
  const size_t rows = argument(1, 100'000), dim = argument(2, 128), queries = argument(3, 1'000);
  if (rows < vouch::kK || dim == 0 || queries == 0) {
    std::fprintf(stderr, "usage: bench_ann [rows >= %zu] [dim >= 1] [queries >= 1]\n", vouch::kK);
    return 2;
  }
  return vouch::Run(rows, dim, queries);
}
