// What a build without CUDA says of GPUs.
#include "index/gpu/gpus.h"

namespace vouch {

bool HasGpuCode() { return false; }

absl::StatusOr<std::vector<GpuProperties>> ListGpus() {
  return absl::UnimplementedError("GPU is not built in: this program was built without -DVOUCH_GPU=ON (docs/gpu.md)");
}

absl::StatusOr<std::shared_ptr<GpuDriver>> OpenGpuDriver(int) { return ListGpus().status(); }

absl::StatusOr<std::vector<std::unique_ptr<GpuDevice>>> OpenGpus(const GpuSelection& selection, const KernelDeviceOptions& options,
                                                                 const std::function<void(const std::string&)>& warn) {
  return OpenGpusOf(ListGpus(), {}, selection, options, warn);
}

}  // namespace vouch
