#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "index/dense/build_help.h"
#include "index/gpu/gpu_device.h"

namespace vouch {

inline constexpr uint64_t kGpuSeed = 20261126;

// How long a run may go on. What has no time left is left out, and says so.
class GpuBudget {
 public:
  explicit GpuBudget(double seconds);
  double left() const;
  // False, and a line that says so, where less is left.
  bool Has(double seconds, const std::string& for_what) const;
  // DEADLINE_EXCEEDED once it is over.
  BuildProgress Progress() const;

 private:
  const std::chrono::steady_clock::time_point until_;
};

// A PASS or FAIL line each.
class GpuChecks {
 public:
  void Check(bool holds, const std::string& what);
  bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

// GPU 0. Ends the program where it cannot be opened.
std::unique_ptr<GpuDevice> OpenFirstGpu();
// Called before EndGpuBench ends the program.
void SetGpuBenchEnd(std::function<void()> end);
[[noreturn]] void EndGpuBench(const std::string& why);

// mixture.h on all cores: rows of streams from `stream` on.
std::vector<float> MixtureOnAllCores(size_t rows, size_t dim, uint64_t stream);

// Over `seconds`, after one that warms up; `work` does `of_one`.
template <typename Work>
double RateOf(size_t of_one, double seconds, const Work& work) {
  using Clock = std::chrono::steady_clock;
  work();
  const auto began = Clock::now();
  size_t done = 0;
  double took = 0;
  do {
    work();
    done += of_one;
    took = std::chrono::duration<double>(Clock::now() - began).count();
  } while (took < seconds);
  return static_cast<double>(done) / took;
}

// Tables to stdout, parity to `checks`; `rows` at most, less where memory does not hold them.
void MeasureGpuExact(const GpuBudget& budget, uint32_t rows, GpuChecks& checks);   // f16 x 768, with filters
void MeasureGpuIvf(const GpuBudget& budget, uint32_t rows, GpuChecks& checks);     // f32 x 128
void MeasureGpuBuilds(const GpuBudget& budget, uint32_t rows, GpuChecks& checks);  // f32 x 128

}  // namespace vouch
