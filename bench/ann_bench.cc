// Dense search: the engine in process against hnswlib and raw FAISS HNSW, and under filters,
// batches, writes and deletes.
//   bench_ann [PART…]     all parts where none is named; see kParts
// $VOUCH_BENCH_DIR (default: the system's temporary folder) keeps what is slow to make: embeddings,
// and hnswlib's graph of a million rows.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/ann_engine.h"
#include "bench/ann_parts.h"
#include "bench/ann_sweep.h"
#include "index/dense/code_kernels.h"
#include "index/dense/kernels.h"

namespace vouch {

void CompareEngines(const AnnData& data, const std::string& cache, bool with_faiss) {
  VouchIndex index(data.dim, data.row_count());
  index.AddRows(data);
  std::vector<AnnEngine> engines;
  engines.push_back(MakeVouch(index, index.Optimize()));
  engines.push_back(MakeHnswlib(data, cache));
  if (with_faiss) engines.push_back(MakeFaiss(data));
  Sweep(engines, data, TrueNearest(data, nullptr));
  std::printf("%s; %zu queries\n\n", data.name.c_str(), data.query_count());
  PrintSweep(engines);
}

namespace {

constexpr size_t kQueries = 1'000;

std::string MachineName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (colon != std::string::npos && line.starts_with("model name")) return line.substr(colon + 2);
  }
  return "unknown";
}

void Embeddings(const std::string& cache) {
  for (const char* corpus : {"manual", "abstracts"}) {
    const absl::StatusOr<AnnData> data = LsaData(corpus, cache);
    if (data.ok()) {
      CompareEngines(*data, cache, true);
      std::printf("\n");
      MeasureFilters(*data);
    } else {
      std::printf("%s\n", std::string(data.status().message()).c_str());
    }
    std::printf("\n");
  }
}

AnnData Small() { return MixtureData(100'000, 128, kQueries); }
AnnData Wide() { return MixtureData(100'000, 768, kQueries); }

struct Part {
  std::string_view name;
  std::string_view what;
  void (*run)(const std::string& cache);
};

constexpr Part kParts[] = {
    {"100k-128", "builds, bytes and QPS by recall beside hnswlib and FAISS, 100,000 x 128",
     [](const std::string& cache) { CompareEngines(Small(), cache, true); }},
    {"100k-768", "the same beside hnswlib, 100,000 x 768",
     [](const std::string& cache) { CompareEngines(Wide(), cache, false); }},
    {"lsa", "the same on embeddings of real texts, and filters on them", Embeddings},
    {"kinds", "index kinds and storage types beside FAISS, 100,000 x 128",
     [](const std::string&) { MeasureKinds(Small()); }},
    {"filters", "filters that keep 50 to .1 % of the rows, 128 dimensions",
     [](const std::string&) { MeasureFilters(Small()); }},
    {"filters-768", "the same, 768 dimensions", [](const std::string&) { MeasureFilters(Wide()); }},
    {"batch", "batches of 64 through the engine on one and on two threads",
     [](const std::string& cache) { MeasureBatches(Small(), cache); }},
    {"writing", "searches while 1,000 rows a second are written, by the clock",
     [](const std::string& cache) { MeasureWriting(Small(), cache, false); }},
    {"writing-busy", "the same by processor time, for a machine whose cores do other work",
     [](const std::string& cache) { MeasureWriting(Small(), cache, true); }},
    {"fresh", "what rows cost that are not sealed yet",
     [](const std::string&) { MeasureFresh(Small()); }},
    {"deletes", "after 30 % deletes and 30 % updates",
     [](const std::string&) { MeasureDeletes(Small()); }},
    {"1m-128", "builds, bytes and QPS beside hnswlib, 1,000,000 x 128 (the longest)",
     [](const std::string& cache) {
       CompareEngines(MixtureData(1'000'000, 128, kQueries), cache, false);
     }},
};

const Part* FindPart(std::string_view name) {
  for (const Part& part : kParts) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

void Run(const Part& part, const std::string& cache) {
  std::printf("### %s\n\n", std::string(part.name).c_str());
  part.run(cache);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  using namespace vouch;
  std::vector<const Part*> parts;
  for (int i = 1; i < argc; ++i) {
    if (const Part* part = FindPart(argv[i])) {
      parts.push_back(part);
      continue;
    }
    std::fprintf(stderr, "usage: bench_ann [PART…]\n");
    for (const Part& part : kParts) {
      std::fprintf(stderr, "  %-13s %s\n", std::string(part.name).c_str(),
                   std::string(part.what).c_str());
    }
    return 2;
  }
  if (parts.empty()) {
    for (const Part& part : kParts) parts.push_back(&part);
  }
  const char* folder = std::getenv("VOUCH_BENCH_DIR");
  const std::string cache = folder != nullptr
                                ? folder
                                : (std::filesystem::temp_directory_path() / "vouch-bench").string();
  std::filesystem::create_directories(cache);
  std::printf(
      "Dense search, L2, k=%zu, M=%d, efConstruction=%d, seed %llu, one thread unless said, median "
      "of %d turns, kernels %s "
      "and %s, %s\n\n",
      kAnnK, kAnnM, kAnnEfConstruction, static_cast<unsigned long long>(kAnnSeed), kAnnTurns,
      std::string(BestKernels().name).c_str(), std::string(BestCodeKernels().name).c_str(),
      MachineName().c_str());
  for (const Part* part : parts) Run(*part, cache);
  return 0;
}
