#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "api/config.h"
#include "index/gpu/gpu_dense.h"
#include "index/gpu/gpus.h"

namespace vouch {

// The settings of GPUs, checked.
struct GpuSettings {
  GpuSelection devices = {};
  GpuDenseOptions dense = {};
};

// INVALID_ARGUMENT names the key, what it has and what it takes.
//
// gpu.pinned: collections by commas, "NAME" of the default tenant or "TENANT/NAME".
// gpu.shares: by commas "TENANT=SHARE", "TENANT=SHARE:CAP", "TENANT=SHARE:CAP:WEIGHT", "TENANT/COLLECTION=SHARE" or
//             "TENANT/COLLECTION=SHARE:CAP"; shares and caps in percent, weights from 1 to 1000.
absl::StatusOr<GpuSettings> GpuSettingsOf(const Config& config);

// What searches by them; null where there are none, and none had to be. FAILED_PRECONDITION: what was asked for is not there.
absl::StatusOr<std::unique_ptr<GpuDense>> OpenGpuDense(GpuSettings settings,
                                                       const std::function<void(const std::string&)>& warn);

}  // namespace vouch
