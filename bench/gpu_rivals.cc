#include "bench/gpu_rivals.h"

#include <cuda_runtime.h>
#include <faiss/gpu/GpuIndexFlat.h>
#include <faiss/gpu/GpuIndexIVFFlat.h>
#include <faiss/gpu/GpuIndexIVFPQ.h>
#include <faiss/gpu/GpuIndexIVFScalarQuantizer.h>
#include <faiss/gpu/StandardGpuResources.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <type_traits>

namespace vouch {
namespace {

using faiss::gpu::GpuIndexFlatIP;
using faiss::gpu::GpuIndexIVFFlat;
using faiss::gpu::GpuIndexIVFPQ;
using faiss::gpu::GpuIndexIVFScalarQuantizer;

template <typename Index>
class FaissIndex final : public FaissGpuIndex {
 public:
  template <typename... Arguments>
  explicit FaissIndex(Arguments&&... arguments) : index_(&resources_, std::forward<Arguments>(arguments)...) {}
  Index& index() { return index_; }

  void Search(const float* queries, size_t count, size_t k, std::vector<int64_t>& rows) override {
    distances_.resize(count * k);
    rows.resize(count * k);
    index_.search(static_cast<faiss::Index::idx_t>(count), queries, static_cast<faiss::Index::idx_t>(k), distances_.data(),
                  rows.data());
  }
  void SetProbes(int probes) override {
    if constexpr (!std::is_same_v<Index, GpuIndexFlatIP>) index_.setNumProbes(probes);
  }

 private:
  faiss::gpu::StandardGpuResources resources_;
  Index index_;
  std::vector<float> distances_;
};

// FAISS throws, as where memory is short.
template <typename Make>
std::unique_ptr<FaissGpuIndex> Guarded(const Make& make) {
  try {
    return make();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_gpu: FAISS: %s\n", error.what());
    return nullptr;
  }
}

template <typename Index>
std::unique_ptr<FaissGpuIndex> Filled(std::unique_ptr<FaissIndex<Index>> made, uint32_t dim, uint32_t cells,
                                      std::span<const float> rows) {
  constexpr size_t kTrainedOfCell = 64;
  constexpr size_t kAtOnce = 500'000;
  const size_t count = rows.size() / dim;
  // Spread over all rows.
  const size_t trained = std::min(count, kTrainedOfCell * cells);
  std::vector<float> sample(trained * dim);
  for (size_t i = 0; i < trained; ++i) std::copy_n(rows.data() + i * count / trained * dim, dim, sample.data() + i * dim);
  made->index().train(static_cast<faiss::Index::idx_t>(trained), sample.data());
  for (size_t first = 0; first < count; first += kAtOnce) {
    const size_t now = std::min(kAtOnce, count - first);
    made->index().add(static_cast<faiss::Index::idx_t>(now), rows.data() + first * dim);
  }
  return made;
}

}  // namespace

bool HasFaissGpu() { return true; }

std::unique_ptr<FaissGpuIndex> MakeFaissGpuFlat(uint32_t dim, uint32_t nodes,
                                                const std::function<void(uint32_t, uint32_t, float*)>& fill) {
  constexpr uint32_t kAtOnce = 65'536;
  return Guarded([&]() -> std::unique_ptr<FaissGpuIndex> {
    faiss::gpu::GpuIndexFlatConfig half;
    half.useFloat16 = true;
    auto made = std::make_unique<FaissIndex<GpuIndexFlatIP>>(static_cast<int>(dim), half);
    std::vector<float> rows(size_t{kAtOnce} * dim);
    for (uint32_t first = 0; first < nodes; first += kAtOnce) {
      const uint32_t count = std::min(kAtOnce, nodes - first);
      fill(first, count, rows.data());
      made->index().add(count, rows.data());
    }
    return made;
  });
}

std::unique_ptr<FaissGpuIndex> MakeFaissGpuIvf(IvfContent content, uint32_t dim, uint32_t cells, std::span<const float> rows) {
  constexpr int kCodeBits = 8;
  return Guarded([&]() -> std::unique_ptr<FaissGpuIndex> {
    if (content == IvfContent::kVectors) {
      return Filled(std::make_unique<FaissIndex<GpuIndexIVFFlat>>(static_cast<int>(dim), static_cast<int>(cells), faiss::METRIC_L2),
                    dim, cells, rows);
    }
    if (content == IvfContent::kScalarCodes) {
      return Filled(std::make_unique<FaissIndex<GpuIndexIVFScalarQuantizer>>(static_cast<int>(dim), static_cast<int>(cells),
                                                                             faiss::ScalarQuantizer::QT_8bit, faiss::METRIC_L2),
                    dim, cells, rows);
    }
    faiss::gpu::GpuIndexIVFPQConfig config;
    config.useFloat16LookupTables = true;  // or 64 tables do not fit
    return Filled(std::make_unique<FaissIndex<GpuIndexIVFPQ>>(static_cast<int>(dim), static_cast<int>(cells),
                                                              static_cast<int>(dim / 2), kCodeBits, faiss::METRIC_L2, config),
                  dim, cells, rows);
  });
}

std::optional<double> MeasureCopyBandwidth() {
  constexpr size_t kBytes = size_t{1} << 30;
  constexpr int kTurns = 20;
  void* from = nullptr;
  void* to = nullptr;
  std::optional<double> rate;
  if (cudaMalloc(&from, kBytes) == cudaSuccess && cudaMalloc(&to, kBytes) == cudaSuccess) {
    cudaMemcpy(to, from, kBytes, cudaMemcpyDeviceToDevice);
    cudaDeviceSynchronize();
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kTurns; ++i) cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice);
    cudaDeviceSynchronize();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    rate = 2.0 * kBytes * kTurns / seconds;
  }
  cudaFree(from);
  cudaFree(to);
  return rate;
}

}  // namespace vouch
