// Inverted files on a GPU through the engine's own batches, 64 callers at a time, against raw FAISS GPU at recall@10 of .95.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/gpu_field.h"
#include "bench/gpu_rivals.h"
#include "index/dense/ivf.h"

namespace vouch {
namespace {

constexpr uint32_t kDim = 128;
constexpr size_t kQueries = 1000;
constexpr size_t kClients = 64;
constexpr size_t kRivalBatch = 256;
constexpr double kTarget = 0.95;
constexpr double kMostRecallOff = 0.005;
constexpr double kSeconds = 4;  // of one measurement

// Searches a second by callers that each wait for their answer.
double RateOfClients(GpuField& field, const std::vector<float>& queries, size_t ef) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> done{0};
  std::vector<std::thread> clients;
  const auto began = std::chrono::steady_clock::now();
  for (size_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      for (size_t i = client; !stop; i += kClients) {
        field.OnGpu(queries.data() + i % kQueries * kDim, ef);
        ++done;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(kSeconds));
  stop = true;
  for (std::thread& client : clients) client.join();
  return static_cast<double>(done) / std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

struct Point {
  int effort = 0;
  double recall = 0;
  double rate = 0;
};
std::string Words(const std::optional<Point>& point, const char* of) {
  return point ? absl::StrFormat("%.0f (recall %.3f, %s %d)", point->rate, point->recall, of, point->effort) : "-";
}

// The least effort that reaches the target, or the most that is tried.
template <typename Recall>
Point LeastEffort(const std::vector<int>& efforts, const Recall& recall) {
  Point point;
  for (const int effort : efforts) {
    point = {.effort = effort, .recall = recall(effort)};
    if (point.recall >= kTarget) break;
  }
  return point;
}

const char* NameOf(IvfContent content) {
  switch (content) {
    case IvfContent::kVectors: return "IVF-Flat";
    case IvfContent::kProductCodes: return "IVF-PQ";
    case IvfContent::kScalarCodes: return "IVF-SQ";
  }
  return "";
}

std::optional<Point> MeasureRival(IvfContent content, uint32_t cells, const std::vector<float>& rows, const std::vector<float>& queries,
                                  const std::vector<std::vector<uint64_t>>& truth) {
  if (!HasFaissGpu()) return std::nullopt;
  const std::unique_ptr<FaissGpuIndex> rival = MakeFaissGpuIvf(content, kDim, cells, rows);
  if (rival == nullptr) return std::nullopt;
  std::vector<int64_t> found;
  Point point = LeastEffort({1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, [&](int probes) {
    rival->SetProbes(probes);
    rival->Search(queries.data(), kQueries, kGpuTop, found);
    size_t right = 0;
    for (size_t i = 0; i < kQueries; ++i) {
      for (size_t j = 0; j < kGpuTop; ++j) {
        right += std::count(truth[i].begin(), truth[i].end(), static_cast<uint64_t>(found[i * kGpuTop + j]));
      }
    }
    return static_cast<double>(right) / (kQueries * kGpuTop);
  });
  point.rate = RateOf(kRivalBatch, kSeconds, [&] { rival->Search(queries.data(), kRivalBatch, kGpuTop, found); });
  return point;
}

// Null where there was no time. The GPU helps, which changes none of its bytes.
std::shared_ptr<const Ivf> BuildIvf(const GpuBudget& budget, bool product_codes, GpuField& field) {
  auto ivf = Ivf::Build(field.column(), product_codes, GpuBenchThreads(), budget.Progress(), field.offload().BuildHelp());
  if (ivf.ok()) return *std::move(ivf);
  std::printf("NOT MEASURED: an inverted file: %s\n", std::string(ivf.status().message()).c_str());
  return nullptr;
}

void MeasureKind(const GpuBudget& budget, IvfContent content, const std::shared_ptr<const Ivf>& ivf, GpuField& field,
                 const std::vector<float>& rows,
                 const std::vector<float>& queries, const std::vector<std::vector<uint64_t>>& truth, GpuChecks& checks) {
  const char* const name = NameOf(content);
  if (ivf == nullptr || !budget.Has(40, name)) return;
  field.PlaceOnGpu(nullptr, ivf);
  Point point = LeastEffort({10, 20, 40, 80, 160, 320, 640}, [&](int ef) {
    return RecallOf(truth, [&](size_t i) { return field.OnGpu(queries.data() + i * kDim, static_cast<size_t>(ef)); });
  });
  const auto on_gpu = [&](size_t i) { return field.OnGpu(queries.data() + i * kDim, static_cast<size_t>(point.effort)); };
  const auto here = [&](size_t i) { return field.Here(queries.data() + i * kDim, static_cast<size_t>(point.effort)); };
  if (content == IvfContent::kScalarCodes) {
    const double recall_here = RecallOf(truth, here);
    checks.Check(std::abs(point.recall - recall_here) <= kMostRecallOff,
                 absl::StrFormat("%s has recall %.4f, the processor's is %.4f", name, point.recall, recall_here));
  } else {
    bool same = true;
    for (size_t i = 0; i < 100; ++i) same = same && on_gpu(i) == here(i);
    checks.Check(same, absl::StrCat(name, " has the processor's rows and score bits"));
  }
  point.rate = RateOfClients(field, queries, static_cast<size_t>(point.effort));
  const uint32_t cells = ivf->cells();
  field.TakeFromGpu();
  std::optional<Point> rival;
  if (budget.Has(40, absl::StrCat("FAISS GPU, ", name))) rival = MeasureRival(content, cells, rows, queries, truth);
  std::printf("| %s | %s | %s | %s |\n", name, Words(point, "ef").c_str(), Words(rival, "nprobe").c_str(),
              rival ? absl::StrFormat("%.2f", point.rate / rival->rate).c_str() : "-");
}

}  // namespace

void MeasureGpuIvf(const GpuBudget& budget, uint32_t rows, GpuChecks& checks) {
  if (!budget.Has(80, "inverted files")) return;
  const std::vector<float> data = MixtureOnAllCores(rows, kDim, 1'000'000);
  const std::vector<float> queries = MixtureOnAllCores(kQueries, kDim, 2);
  GpuDenseOptions options;
  options.builds = true;
  auto field = std::make_unique<GpuField>(data, kDim, options);
  const std::vector<std::vector<uint64_t>> truth = field->NearestByGpu(queries);
  std::printf("\nInverted files, %u x %u f32, L2, top %zu, %zu callers that each wait for their answer (FAISS: batches of %zu)\n\n", rows,
              kDim, kGpuTop, kClients, kRivalBatch);
  std::printf("| index | searches a second | FAISS GPU | ratio |\n|---|---|---|---|\n");
  const std::shared_ptr<const Ivf> cells = BuildIvf(budget, false, *field);
  if (cells == nullptr) return;
  MeasureKind(budget, IvfContent::kVectors, cells, *field, data, queries, truth, checks);
  MeasureKind(budget, IvfContent::kProductCodes, BuildIvf(budget, true, *field), *field, data, queries, truth, checks);
  if (!budget.Has(50, NameOf(IvfContent::kScalarCodes))) return;
  // Half of what the vectors take: so codes are placed.
  field.reset();
  GpuDenseOptions small;
  small.memory_limit_bytes = data.size() * sizeof(float) / 2;
  field = std::make_unique<GpuField>(data, kDim, small);
  MeasureKind(budget, IvfContent::kScalarCodes, cells, *field, data, queries, truth, checks);
}

}  // namespace vouch
