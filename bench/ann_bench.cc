// Dense search: the engine in process against hnswlib and raw FAISS HNSW, searched on one thread in turns in one run.
//   bench_ann [rows] [dim] [queries]
#include <faiss/IndexHNSW.h>
#include <hnswlib/hnswlib.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/mixture.h"
#include "index/collection_index.h"
#include "index/dense/code_kernels.h"
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

struct Point {
  int ef = 0;
  double recall = 0;
  double queries_per_second = 0;
};

using SearchOne = std::function<void(const float* query, int ef, std::vector<uint64_t>& out)>;

struct Engine {
  std::string name;
  double build_s = 0;
  double bytes_per_vector = 0;  // held in private memory
  double mapped_per_vector = 0;  // read from a file through the system's cache
  SearchOne search;
  std::vector<Point> points;  // by rising ef
};

double RecallOf(const std::vector<std::vector<uint64_t>>& results, const std::vector<std::vector<uint64_t>>& truth) {
  double found = 0;
  double wanted = 0;
  for (size_t q = 0; q < truth.size(); ++q) {
    wanted += static_cast<double>(truth[q].size());
    for (uint64_t row : results[q]) found += static_cast<double>(std::count(truth[q].begin(), truth[q].end(), row));
  }
  return found / wanted;
}

Point Measure(const std::vector<float>& queries, size_t dim, const std::vector<std::vector<uint64_t>>& truth, int ef,
              const SearchOne& search) {
  std::vector<std::vector<uint64_t>> results(truth.size());
  const auto start = std::chrono::steady_clock::now();
  for (size_t q = 0; q < truth.size(); ++q) search(queries.data() + q * dim, ef, results[q]);
  const double seconds = Seconds(start);
  return {ef, RecallOf(results, truth), static_cast<double>(truth.size()) / seconds};
}

// QPS where the engine's line through its points crosses the recall; the first point's where that is above it already.
std::optional<double> QpsAt(const std::vector<Point>& points, double recall) {
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].recall < recall) continue;
    if (i == 0) return points[0].queries_per_second;
    const Point& below = points[i - 1];
    const double part = (recall - below.recall) / (points[i].recall - below.recall);
    return below.queries_per_second + part * (points[i].queries_per_second - below.queries_per_second);
  }
  return std::nullopt;
}

// Medians of kTurns turns; in each turn all engines take all efs, one after the other.
void Sweep(std::vector<Engine>& engines, const std::vector<float>& queries, size_t dim,
           const std::vector<std::vector<uint64_t>>& truth) {
  const std::vector<int> efs = {10, 12, 16, 20, 28, 40, 64, 100};
  std::vector<std::vector<std::vector<double>>> qps(engines.size(), std::vector<std::vector<double>>(efs.size()));
  for (Engine& engine : engines) engine.points.resize(efs.size());
  for (int turn = 0; turn < kTurns; ++turn) {
    for (size_t e = 0; e < engines.size(); ++e) {
      for (size_t i = 0; i < efs.size(); ++i) {
        engines[e].points[i] = Measure(queries, dim, truth, efs[i], engines[e].search);
        qps[e][i].push_back(engines[e].points[i].queries_per_second);
      }
    }
  }
  for (size_t e = 0; e < engines.size(); ++e) {
    for (size_t i = 0; i < efs.size(); ++i) engines[e].points[i].queries_per_second = Median(qps[e][i]);
  }
}

Engine MakeHnswlib(const std::vector<float>& data, size_t rows, size_t dim) {
  auto space = std::make_shared<hnswlib::L2Space>(dim);
  auto index = std::make_shared<hnswlib::HierarchicalNSW<float>>(space.get(), rows, kM, kEfConstruction);
  const auto start = std::chrono::steady_clock::now();
  index->addPoint(data.data(), 0);
  std::atomic<size_t> next{1};
  const auto add = [&] {
    for (size_t row = next.fetch_add(1); row < rows; row = next.fetch_add(1)) index->addPoint(&data[row * dim], row);
  };
  std::thread second(add);
  add();
  second.join();
  Engine engine;
  engine.name = "hnswlib";
  engine.build_s = Seconds(start);
  engine.bytes_per_vector = static_cast<double>(index->size_data_per_element_);
  engine.search = [space, index](const float* query, int ef, std::vector<uint64_t>& out) {
    index->setEf(static_cast<size_t>(ef));
    auto found = index->searchKnn(query, kK);
    for (; !found.empty(); found.pop()) out.push_back(found.top().second);
  };
  return engine;
}

Engine MakeFaiss(const std::vector<float>& data, size_t rows, size_t dim) {
  auto index = std::make_shared<faiss::IndexHNSWFlat>(static_cast<int>(dim), kM);
  index->hnsw.efConstruction = kEfConstruction;
  omp_set_num_threads(2);
  const auto start = std::chrono::steady_clock::now();
  index->add(static_cast<faiss::Index::idx_t>(rows), data.data());
  Engine engine;
  engine.name = "FAISS HNSW";
  engine.build_s = Seconds(start);
  omp_set_num_threads(1);
  engine.bytes_per_vector =
      static_cast<double>(dim * 4) + static_cast<double>(index->hnsw.neighbors.size() * 4) / static_cast<double>(rows);
  engine.search = [index](const float* query, int ef, std::vector<uint64_t>& out) {
    index->hnsw.efSearch = ef;
    float distances[kK];
    faiss::Index::idx_t labels[kK];
    index->search(1, query, kK, distances, labels);
    for (const faiss::Index::idx_t label : labels) out.push_back(static_cast<uint64_t>(label));
  };
  return engine;
}

std::vector<uint64_t> EngineSearch(const IndexReader& reader, const RowMask& mask, std::span<const float> query, int ef,
                                   bool exact) {
  const DenseQuery dense = {.field = 0, .vector = query, .k = kK, .ef_search = ef, .exact = exact};
  const auto hits = reader.SearchDense(dense, mask, CancelToken(), nullptr);
  std::vector<uint64_t> rows;
  for (const Hit& hit : *hits) rows.push_back(hit.row.value);
  return rows;
}

// Random and correlated filters: QPS and recall of the planner's choice beside exact search over the allowed rows.
void Filters(const IndexReader& reader, const std::vector<float>& data, const std::vector<float>& queries, size_t dim,
             int ef, double unfiltered_qps) {
  const size_t rows = data.size() / dim;
  std::printf("\nFilters at ef %d (unfiltered %.0f QPS):\n\n", ef, unfiltered_qps);
  std::printf("| keeps | which rows | recall | QPS | of unfiltered | exact search QPS |\n|---|---|---|---|---|---|\n");
  for (const bool correlated : {false, true}) {
    // Correlated: the rows of largest value along one random direction, so that the allowed ones lie together.
    std::mt19937_64 random(kSeed);
    std::normal_distribution<float> normal;
    std::vector<float> direction(dim);
    for (float& value : direction) value = normal(random);
    std::vector<std::pair<float, uint64_t>> order(rows);
    for (size_t row = 0; row < rows; ++row) {
      float key = 0;
      for (size_t d = 0; d < dim; ++d) key += direction[d] * data[row * dim + d];
      order[row] = {correlated ? -key : static_cast<float>(random() >> 40), row};
    }
    std::sort(order.begin(), order.end());
    for (const double keep : {0.5, 0.1, 0.01, 0.001}) {
      RowMask mask;
      RowMask::SegmentMask& segment = mask.segments.emplace_back();
      Bitmap allowed(rows);
      const auto count = static_cast<size_t>(keep * static_cast<double>(rows));
      for (size_t i = 0; i < count; ++i) allowed.Set(order[i].second);
      segment.allowed = std::make_shared<const Bitmap>(std::move(allowed));
      segment.visible_count = mask.visible_count = rows;
      segment.allowed_count = mask.allowed_count = count;
      std::vector<std::vector<uint64_t>> truth;
      const auto exact_start = std::chrono::steady_clock::now();
      for (size_t q = 0; q < queries.size() / dim; ++q) {
        truth.push_back(EngineSearch(reader, mask, {queries.data() + q * dim, dim}, ef, true));
      }
      const double exact_qps = static_cast<double>(truth.size()) / Seconds(exact_start);
      std::vector<double> qps;
      Point point;
      for (int turn = 0; turn < kTurns; ++turn) {
        point = Measure(queries, dim, truth, ef, [&](const float* query, int at, std::vector<uint64_t>& out) {
          out = EngineSearch(reader, mask, {query, dim}, at, false);
        });
        qps.push_back(point.queries_per_second);
      }
      std::printf("| %.1f %% | %s | %.4f | %.0f | %.2f | %.0f |\n", keep * 100, correlated ? "correlated" : "random",
                  point.recall, Median(qps), Median(qps) / unfiltered_qps, exact_qps);
      std::fflush(stdout);
    }
  }
}

void PrintTables(const std::vector<Engine>& engines) {
  std::printf("| engine | build s (2 threads) | private bytes a vector | mapped from a file | QPS at recall .95 | at .99 | at .999 |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  for (const Engine& engine : engines) {
    std::printf("| %s | %.1f | %.0f | %.0f |", engine.name.c_str(), engine.build_s, engine.bytes_per_vector,
                engine.mapped_per_vector);
    for (const double recall : {0.95, 0.99, 0.999}) {
      const std::optional<double> qps = QpsAt(engine.points, recall);
      const std::optional<double> rival = QpsAt(engines[1].points, recall);
      if (!qps) {
        std::printf(" - |");
      } else if (!rival) {
        std::printf(" %.0f |", *qps);
      } else {
        std::printf(" %.0f (%.2f x hnswlib) |", *qps, *qps / *rival);
      }
    }
    std::printf("\n");
  }
  std::printf("\n| ef |");
  for (const Engine& engine : engines) std::printf(" %s recall | QPS |", engine.name.c_str());
  std::printf("\n|---|");
  for (size_t i = 0; i < engines.size(); ++i) std::printf("---|---|");
  std::printf("\n");
  for (size_t i = 0; i < engines[0].points.size(); ++i) {
    std::printf("| %d |", engines[0].points[i].ef);
    for (const Engine& engine : engines) {
      std::printf(" %.4f | %.0f |", engine.points[i].recall, engine.points[i].queries_per_second);
    }
    std::printf("\n");
  }
}

int Run(size_t rows, size_t dim, size_t query_count) {
  const std::vector<float> data = MakeMixture(rows, dim, kSeed, 1);
  const std::vector<float> queries = MakeMixture(query_count, dim, kSeed, 2);
  const auto truth = Truth(data, queries, dim);

  const std::string directory =
      absl::StrCat(std::filesystem::temp_directory_path().string(), "/vouch-bench-ann-", getpid());
  JobPool pool(2);
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
  const IndexReader reader = (*index)->Read((*index)->latest(), rows);
  const RowMask mask = *reader.MakeMask(nullptr, Principal(), CancelToken());
  Engine vouch;
  vouch.name = "vouch";
  vouch.build_s = Seconds(build_start);
  const MemoryAccount memory = (*index)->Status().memory;
  vouch.bytes_per_vector = static_cast<double>(memory.private_bytes()) / static_cast<double>(rows);
  vouch.mapped_per_vector = static_cast<double>(memory.mapped_vectors) / static_cast<double>(rows);
  vouch.search = [&](const float* query, int ef, std::vector<uint64_t>& out) {
    out = EngineSearch(reader, mask, {query, dim}, ef, false);
  };
  std::vector<Engine> engines;
  engines.push_back(std::move(vouch));
  engines.push_back(MakeHnswlib(data, rows, dim));
  engines.push_back(MakeFaiss(data, rows, dim));

  std::printf("%zu x %zu, mixture data, L2, k=%zu, M=%d, efConstruction=%d, %zu queries, seed %llu, one thread, "
              "median of %d turns, kernels %s and %s, %s; rows applied in %.2f s\n\n",
              rows, dim, kK, kM, kEfConstruction, query_count, static_cast<unsigned long long>(kSeed), kTurns,
              std::string(BestKernels().name).c_str(), std::string(BestCodeKernels().name).c_str(),
              MachineName().c_str(), apply_s);
  Sweep(engines, queries, dim, truth);
  PrintTables(engines);
  std::fflush(stdout);
  for (const Point& point : engines[0].points) {
    if (point.recall < 0.99 && point.ef < 100) continue;
    Filters(reader, data, queries, dim, point.ef, point.queries_per_second);
    break;
  }
  engines.clear();
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
