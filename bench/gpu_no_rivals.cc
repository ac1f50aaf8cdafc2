#include "bench/gpu_rivals.h"

namespace vouch {

bool HasFaissGpu() { return false; }

std::unique_ptr<FaissGpuIndex> MakeFaissGpuFlat(uint32_t, uint32_t, const std::function<void(uint32_t, uint32_t, float*)>&) {
  return nullptr;
}

std::unique_ptr<FaissGpuIndex> MakeFaissGpuIvf(IvfContent, uint32_t, uint32_t, std::span<const float>) { return nullptr; }

std::optional<double> MeasureCopyBandwidth() { return std::nullopt; }

}  // namespace vouch
