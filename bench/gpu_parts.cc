#include "bench/gpu_parts.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/mixture.h"
#include "index/dense/parallel.h"
#include "index/gpu/gpus.h"

namespace vouch {

GpuBudget::GpuBudget(double seconds)
    : until_(std::chrono::steady_clock::now() +
             std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds))) {}

double GpuBudget::left() const { return std::chrono::duration<double>(until_ - std::chrono::steady_clock::now()).count(); }

bool GpuBudget::Has(double seconds, const std::string& for_what) const {
  if (left() >= seconds) return true;
  std::printf("\nNOT MEASURED: %s: %.0f seconds are left of the run.\n", for_what.c_str(), std::max(0.0, left()));
  return false;
}

BuildProgress GpuBudget::Progress() const {
  return [this](double) { return left() > 0 ? absl::OkStatus() : absl::DeadlineExceededError("the run's time is over"); };
}

void GpuChecks::Check(bool holds, const std::string& what) {
  std::printf("%s parity: %s\n", holds ? "PASS" : "FAIL", what.c_str());
  std::fflush(stdout);
  failed_ = failed_ || !holds;
}

namespace {
std::function<void()> at_end;
std::mutex ends;  // of the thread that ends the program
}  // namespace

void SetGpuBenchEnd(std::function<void()> end) { at_end = std::move(end); }

void EndGpuBench(const std::string& why) {
  ends.lock();
  if (at_end) at_end();
  std::fflush(stdout);
  std::fprintf(stderr, "bench_gpu: %s\n", why.c_str());
  std::_Exit(1);
}

std::unique_ptr<GpuDevice> OpenFirstGpu() {
  auto devices = OpenGpus({.kind = GpuSelection::Kind::kThese, .ordinals = {0}}, {}, {});
  if (!devices.ok()) EndGpuBench(std::string(devices.status().message()));
  return std::move(devices->front());
}

std::vector<float> MixtureOnAllCores(size_t rows, size_t dim, uint64_t stream) {
  constexpr size_t kRows = 20'000;  // of a stream
  std::vector<float> all(rows * dim);
  const int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  ParallelFor(0, (rows + kRows - 1) / kRows, threads, 1, [&](size_t part, size_t) {
    const std::vector<float> data = MakeMixture(std::min(kRows, rows - part * kRows), dim, kGpuSeed, stream + part);
    std::copy(data.begin(), data.end(), all.begin() + static_cast<ptrdiff_t>(part * kRows * dim));
  });
  return all;
}

}  // namespace vouch
