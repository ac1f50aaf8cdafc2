// Exact search of f16 x 768 by inner product on a GPU: speed, against its memory's bandwidth and raw FAISS in the same run, and parity.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/gpu_parts.h"
#include "bench/gpu_rivals.h"
#include "index/dense/kernels.h"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

constexpr uint32_t kDim = 768;
constexpr size_t kTop = 10;
constexpr double kSeconds = 4;  // of one measurement

// Values of .25 to .5 of either sign that follow from row and place, so that nothing needs to be kept on this side.
uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 27;
  x *= 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}
void FillHalves(uint64_t row, uint16_t* out) {
  for (uint32_t i = 0; i < kDim; i += 4) {
    uint64_t bits = Mix(row * kDim + i);
    for (uint32_t j = 0; j < 4; ++j, bits >>= 16) out[i + j] = static_cast<uint16_t>(0x3400u + (bits & 0x83FFu));
  }
}
void FillFloats(uint64_t row, float* out) {
  uint16_t halves[kDim];
  FillHalves(row, halves);
  for (uint32_t i = 0; i < kDim; ++i) out[i] = FloatOfHalf(halves[i]);
}

// Rows beyond those placed, so that queries are like them.
std::vector<float> Queries(size_t count, uint64_t first) {
  std::vector<float> queries(count * kDim);
  for (size_t i = 0; i < count; ++i) FillFloats(first + i, queries.data() + i * kDim);
  return queries;
}

// What the processor finds, on all its cores.
std::vector<GpuFound> FindHere(uint32_t rows, const float* query, const std::vector<uint64_t>* words) {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::vector<GpuFound>> parts(threads);
  std::vector<std::thread> workers;
  for (unsigned t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      const uint32_t begin = static_cast<uint32_t>(uint64_t{rows} * t / threads);
      const uint32_t end = static_cast<uint32_t>(uint64_t{rows} * (t + 1) / threads);
      std::vector<float> row(kDim);
      std::vector<GpuFound>& found = parts[t];
      const auto nearer = [](const GpuFound& a, const GpuFound& b) {
        return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
      };
      for (uint32_t node = begin; node < end; ++node) {
        if (words != nullptr && (((*words)[node / 64] >> (node % 64)) & 1) == 0) continue;
        FillFloats(node, row.data());
        found.push_back({BestKernels().negative_ip(query, row.data(), kDim) + 0.0f, node});
        if (found.size() < 1024) continue;
        std::partial_sort(found.begin(), found.begin() + kTop, found.end(), nearer);
        found.resize(kTop);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::vector<GpuFound> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end(), [](const GpuFound& a, const GpuFound& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
  });
  all.resize(std::min(all.size(), kTop));
  return all;
}

// The rows that a filter allows, as the engine names them: few as a list, more by a bitmap.
struct Allowed {
  std::vector<uint64_t> words;
  std::vector<uint32_t> list;

  Allowed(uint32_t rows, double share, uint64_t seed) : words((uint64_t{rows} + 63) / 64) {
    for (uint32_t node = 0; node < rows; ++node) {
      if (static_cast<double>(Mix(node + seed * 0x9E3779B97F4A7C15u) >> 11) * 0x1p-53 >= share) continue;
      words[node / 64] |= uint64_t{1} << (node % 64);
      if (share * 32 < 1) list.push_back(node);
    }
  }
};
std::vector<Allowed> FiltersOf(uint32_t rows, double share) {
  std::vector<Allowed> filters;
  for (uint64_t seed = 0; seed < 4; ++seed) filters.emplace_back(rows, share, seed);
  return filters;
}

class ExactBench {
 public:
  ExactBench(GpuDevice& device, uint32_t rows) : device_(device), rows_(rows) {}

  void Place() {
    const GpuShape shape{.content = GpuContent::kVectors,
                         .type = VectorType::kF16,
                         .metric = Metric::kInnerProduct,
                         .dim = kDim,
                         .nodes = rows_,
                         .record_bytes = kDim * 2};
    GpuSource source;
    source.records = [](uint32_t begin, uint32_t end, char* out) {
      std::vector<uint16_t> row(kDim);
      for (uint32_t node = begin; node < end; ++node, out += kDim * 2) {
        FillHalves(node, row.data());
        std::memcpy(out, row.data(), kDim * 2);
      }
      return absl::OkStatus();
    };
    auto placed = device_.Place(shape, source);
    if (!placed.ok()) EndGpuBench(absl::StrCat("the column was not placed: ", placed.status().message()));
    column_ = *std::move(placed);
  }

  double Rate(size_t batch, const std::vector<Allowed>& filters) {
    const std::vector<float> queries = Queries(batch, rows_);
    return RateOf(batch, kSeconds, [&] { Search(queries, batch, filters); });
  }

  bool IsSame(size_t batch, const std::vector<Allowed>& filters) {
    constexpr size_t kChecked = 2;
    const std::vector<float> queries = Queries(batch, uint64_t{rows_} + 1000);
    Search(queries, batch, filters);
    for (size_t i = 0; i < std::min(kChecked, batch); ++i) {
      const auto* const words = filters.empty() ? nullptr : &filters[i % filters.size()].words;
      if (found_[i] != FindHere(rows_, queries.data() + i * kDim, words)) return false;
    }
    return true;
  }

 private:
  void Search(const std::vector<float>& queries, size_t batch, const std::vector<Allowed>& filters) {
    std::vector<GpuQuery> asked(batch);
    for (size_t i = 0; i < batch; ++i) {
      asked[i].vector = std::span<const float>(queries).subspan(i * kDim, kDim);
      if (filters.empty()) continue;
      const Allowed& filter = filters[i % filters.size()];
      asked[i].nodes = filter.list.empty() ? GpuNodes::kBitmap : GpuNodes::kList;
      if (filter.list.empty()) asked[i].words = filter.words;
      asked[i].list = filter.list;
    }
    found_.assign(batch, {});
    const auto took = device_.Search(*column_, kTop, asked, found_);
    if (!took.ok()) EndGpuBench(absl::StrCat("a search failed: ", took.status().message()));
  }

  GpuDevice& device_;
  const uint32_t rows_;
  std::shared_ptr<const GpuColumn> column_;
  std::vector<std::vector<GpuFound>> found_;
};

// A line of the table; the rate.
double PrintBatch(ExactBench& bench, size_t batch, uint32_t rows, FaissGpuIndex* rival, std::optional<double> bandwidth) {
  const double rate = bench.Rate(batch, {});
  std::string of_bandwidth = "-", theirs = "-", ratio = "-";
  if (batch == 1 && bandwidth) of_bandwidth = absl::StrFormat("%.0f %%", 100 * rate * rows * kDim * 2 / *bandwidth);
  if (rival != nullptr) {
    const std::vector<float> queries = Queries(batch, rows);
    std::vector<int64_t> found;
    const double rate_of_rival = RateOf(batch, kSeconds, [&] { rival->Search(queries.data(), batch, kTop, found); });
    theirs = absl::StrFormat("%.0f", rate_of_rival);
    ratio = absl::StrFormat("%.2f", rate / rate_of_rival);
  }
  std::printf("| %zu | all | %.0f | %s | %s | %s |\n", batch, rate, of_bandwidth.c_str(), theirs.c_str(), ratio.c_str());
  return rate;
}

}  // namespace

void MeasureGpuExact(const GpuBudget& budget, uint32_t rows, GpuChecks& checks) {
  if (!budget.Has(90, "exact search")) return;
  const std::unique_ptr<GpuDevice> device = OpenFirstGpu();
  const auto memory = device->MeasureMemory();
  if (!memory.ok()) EndGpuBench(std::string(memory.status().message()));
  // FAISS holds the same again, where it is there.
  rows = static_cast<uint32_t>(std::min<uint64_t>(rows, memory->free / (HasFaissGpu() ? 5 : 3) * 2 / (kDim * 2)));
  std::printf("\nExact, %u x %u f16, inner product, top %zu\n\n", rows, kDim, kTop);
  ExactBench bench(*device, rows);
  bench.Place();
  const std::optional<double> bandwidth = MeasureCopyBandwidth();
  std::unique_ptr<FaissGpuIndex> rival;
  if (HasFaissGpu()) {
    rival = MakeFaissGpuFlat(kDim, rows, [](uint32_t first, uint32_t count, float* out) {
      for (uint32_t i = 0; i < count; ++i) FillFloats(uint64_t{first} + i, out + size_t{i} * kDim);
    });
  }
  std::printf("| batch | allowed | queries a second | of the copy's bandwidth | FAISS GPU | ratio |\n|---|---|---|---|---|---|\n");
  double unfiltered = 0;
  for (const size_t batch : {size_t{1}, size_t{16}, size_t{256}}) unfiltered = PrintBatch(bench, batch, rows, rival.get(), bandwidth);
  const bool all = bench.IsSame(1, {}) && bench.IsSame(256, {});
  std::vector<std::pair<double, bool>> filtered;
  for (const double share : {0.1, 0.01, 0.001}) {
    const std::vector<Allowed> filters = FiltersOf(rows, share);
    const double rate = bench.Rate(256, filters);
    std::printf("| 256 | %g %% | %.0f (%.2f of unfiltered) | - | - | - |\n", 100 * share, rate, rate / unfiltered);
    filtered.emplace_back(share, bench.IsSame(256, filters));
  }
  std::printf("\n");
  checks.Check(all, "exact search has the processor's rows and score bits");
  for (const auto& [share, same] : filtered) {
    checks.Check(same, absl::StrFormat("under a filter that keeps %g %% it has the processor's rows and score bits", 100 * share));
  }
}

}  // namespace vouch
