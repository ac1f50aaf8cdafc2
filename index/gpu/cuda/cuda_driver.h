#pragma once

#include <memory>
#include <vector>

#include "index/gpu/gpu_driver.h"

namespace vouch {

// CUDA's devices, in its order; none where there are none. UNAVAILABLE: the driver cannot be asked.
absl::StatusOr<std::vector<GpuProperties>> ListCudaDevices();

// UNIMPLEMENTED: the device has no code of the kernels, which are compiled for certain architectures.
absl::StatusOr<std::shared_ptr<GpuDriver>> OpenCudaDriver(const GpuProperties& properties);

}  // namespace vouch
