// hnswlib and FAISS; compiled for this machine, as FAISS itself is.
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexRefine.h>
#include <hnswlib/hnswlib.h>
#include <omp.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/ann_engine.h"

namespace vouch {
namespace {

constexpr size_t kCachedRows = 1'000'000;  // smaller graphs are built in each run

void BuildOnTwoThreads(const AnnData& data, hnswlib::HierarchicalNSW<float>& index) {
  index.addPoint(data.row(0), 0);
  std::atomic<size_t> next{1};
  const auto add = [&] {
    for (size_t row = next.fetch_add(1); row < data.row_count(); row = next.fetch_add(1)) {
      index.addPoint(data.row(row), row);
    }
  };
  std::thread second(add);
  add();
  second.join();
}

}  // namespace

AnnEngine MakeHnswlib(const AnnData& data, const std::string& cache) {
  using Hnsw = hnswlib::HierarchicalNSW<float>;
  AnnEngine engine;
  engine.name = "hnswlib";
  auto space = std::make_shared<hnswlib::L2Space>(data.dim);
  const std::string path = absl::StrCat(cache, "/", data.key, ".hnswlib");
  std::shared_ptr<Hnsw> index;
  if (data.row_count() >= kCachedRows && std::filesystem::exists(path + ".seconds")) {
    index = std::make_shared<Hnsw>(space.get(), path);
    std::ifstream(path + ".seconds") >> engine.build.seconds >> engine.build.processor_seconds;
    engine.built_before = true;
  } else {
    index = std::make_shared<Hnsw>(space.get(), data.row_count(), kAnnM, kAnnEfConstruction);
    const double processor = ProcessSeconds();
    const int64_t start = NowNs();
    BuildOnTwoThreads(data, *index);
    engine.build = {SecondsSince(start), ProcessSeconds() - processor};
    if (data.row_count() >= kCachedRows) {
      index->saveIndex(path);
      std::ofstream(path + ".seconds")
          << engine.build.seconds << ' ' << engine.build.processor_seconds;
    }
  }
  engine.bytes_per_vector = static_cast<double>(index->size_data_per_element_);
  engine.search = [space, index](const float* query, int ef, std::vector<uint64_t>& out) {
    index->setEf(static_cast<size_t>(ef));
    auto found = index->searchKnn(query, kAnnK);
    for (; !found.empty(); found.pop()) out.push_back(found.top().second);
  };
  return engine;
}

AnnEngine MakeFaiss(const AnnData& data) {
  auto index = std::make_shared<faiss::IndexHNSWFlat>(static_cast<int>(data.dim), kAnnM);
  index->hnsw.efConstruction = kAnnEfConstruction;
  AnnEngine engine;
  engine.name = "FAISS HNSW";
  omp_set_num_threads(2);
  const double processor = ProcessSeconds();
  const int64_t start = NowNs();
  index->add(static_cast<faiss::Index::idx_t>(data.row_count()), data.rows.data());
  engine.build = {SecondsSince(start), ProcessSeconds() - processor};
  omp_set_num_threads(1);
  const double links = static_cast<double>(index->hnsw.neighbors.size() * 4);
  engine.bytes_per_vector =
      static_cast<double>(data.dim * 4) + links / static_cast<double>(data.row_count());
  engine.search = [index](const float* query, int ef, std::vector<uint64_t>& out) {
    index->hnsw.efSearch = ef;
    float distances[kAnnK];
    faiss::Index::idx_t labels[kAnnK];
    index->search(1, query, kAnnK, distances, labels);
    for (const faiss::Index::idx_t label : labels) out.push_back(static_cast<uint64_t>(label));
  };
  return engine;
}

AnnEngine MakeFaissIvfPq(const AnnData& data) {
  const auto rows = static_cast<faiss::Index::idx_t>(data.row_count());
  const auto cells = static_cast<size_t>(4 * std::sqrt(static_cast<double>(rows)));
  struct Parts {
    explicit Parts(size_t dim, size_t cells_count)
        : coarse(static_cast<faiss::Index::idx_t>(dim)),
          codes(&coarse, dim, cells_count, dim / 2, 4),
          exact(static_cast<faiss::Index::idx_t>(dim)),
          refined(&codes, &exact) {}
    faiss::IndexFlatL2 coarse;
    faiss::IndexIVFPQFastScan codes;
    faiss::IndexFlatL2 exact;
    faiss::IndexRefine refined;
  };
  auto parts = std::make_shared<Parts>(data.dim, cells);
  AnnEngine engine;
  engine.name = "FAISS IVF-PQ fast-scan, refined";
  omp_set_num_threads(2);
  const double processor = ProcessSeconds();
  const int64_t start = NowNs();
  parts->refined.train(rows, data.rows.data());
  parts->refined.add(rows, data.rows.data());
  engine.build = {SecondsSince(start), ProcessSeconds() - processor};
  omp_set_num_threads(1);
  // Codes, ids, and the vectors that refining compares.
  engine.bytes_per_vector = static_cast<double>(data.dim) / 4 + 8 + static_cast<double>(data.dim * 4);
  parts->refined.k_factor = 8;
  engine.search = [parts](const float* query, int ef, std::vector<uint64_t>& out) {
    parts->codes.nprobe = static_cast<size_t>(ef);
    float distances[kAnnK];
    faiss::Index::idx_t labels[kAnnK];
    parts->refined.search(1, query, kAnnK, distances, labels);
    for (const faiss::Index::idx_t label : labels) out.push_back(static_cast<uint64_t>(label));
  };
  return engine;
}

}  // namespace vouch
