#include "absl/strings/str_cat.h"
#include "index/gpu/cuda/cuda_driver.h"
#include "index/gpu/gpus.h"

namespace vouch {

bool HasGpuCode() { return true; }

absl::StatusOr<std::vector<GpuProperties>> ListGpus() { return ListCudaDevices(); }

absl::StatusOr<std::shared_ptr<GpuDriver>> OpenGpuDriver(int ordinal) {
  const absl::StatusOr<std::vector<GpuProperties>> there = ListCudaDevices();
  if (!there.ok()) return there.status();
  if (ordinal < 0 || static_cast<size_t>(ordinal) >= there->size()) {
    return absl::FailedPreconditionError(absl::StrCat("GPU ", ordinal, " was asked for; there are ", there->size(), " here"));
  }
  return OpenCudaDriver((*there)[static_cast<size_t>(ordinal)]);
}

absl::StatusOr<std::vector<std::unique_ptr<GpuDevice>>> OpenGpus(const GpuSelection& selection, const KernelDeviceOptions& options,
                                                                 const std::function<void(const std::string&)>& warn) {
  return OpenGpusOf(ListGpus(), OpenCudaDriver, selection, options, warn);
}

}  // namespace vouch
