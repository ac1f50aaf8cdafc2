// What a GPU makes of searches and builds, against raw FAISS GPU in the same run, and parity with the processor.
//   bench_gpu [--seconds N] [PART…]     parts: exact, ivf, build; all of them where none is named
// Without a GPU it says so and ends with 3; with 1 where a parity check failed.
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/gpu_parts.h"
#include "bench/gpu_rivals.h"
#include "index/gpu/gpus.h"

namespace vouch {
namespace {

constexpr int kRefused = 3;
constexpr double kSeconds = 420;

int Refuse(const std::string& why) {
  std::printf("REFUSED: %s; nothing was measured.\n", why.c_str());
  return kRefused;
}

int Usage() {
  std::fprintf(stderr, "usage: bench_gpu [--seconds N] [exact|ivf|build]...\n");
  return 2;
}

int Run(double seconds, const std::set<std::string>& parts) {
  if (!HasGpuCode()) return Refuse("GPU is not built in (cmake --preset gpu)");
  const auto gpus = ListGpus();
  if (!gpus.ok()) return Refuse(std::string(gpus.status().message()));
  if (gpus->empty()) return Refuse("there is no GPU here");
  const GpuProperties& gpu = gpus->front();
  std::printf("%s, compute capability %d.%d, %d multiprocessors at %d MHz, CUDA %s; seed %llu; %s\n", gpu.name.c_str(), gpu.major,
              gpu.minor, gpu.multiprocessors, gpu.clock_mhz, gpu.driver.c_str(), static_cast<unsigned long long>(kGpuSeed),
              HasFaissGpu() ? "FAISS 1.7.3 with CUDA beside it" : "no FAISS with CUDA here (scripts/setup --gpu)");
  const GpuBudget budget(seconds);
  GpuChecks checks;
  if (parts.contains("exact")) MeasureGpuExact(budget, 10'000'000, checks);
  if (parts.contains("build")) MeasureGpuBuilds(budget, 1'000'000, checks);
  if (parts.contains("ivf")) MeasureGpuIvf(budget, 10'000'000, checks);
  return checks.failed() ? 1 : 0;
}

}  // namespace
}  // namespace vouch

int main(int argc, char** argv) {
  double seconds = vouch::kSeconds;
  std::set<std::string> parts;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--seconds") {
      if (++i == argc || !absl::SimpleAtod(argv[i], &seconds) || !(seconds > 0)) return vouch::Usage();
    } else if (argument == "exact" || argument == "ivf" || argument == "build") {
      parts.insert(argument);
    } else {
      return vouch::Usage();
    }
  }
  if (parts.empty()) parts = {"exact", "ivf", "build"};
  return vouch::Run(seconds, parts);
}
