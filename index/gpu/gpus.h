#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "index/gpu/kernel_device.h"

namespace vouch {

// Which of the machine's GPUs are used.
struct GpuSelection {
  enum class Kind : uint8_t {
    kAuto,  // those there are, or none
    kNone,
    kAll,   // at least one
    kThese,
  };
  Kind kind = Kind::kAuto;
  std::vector<int> ordinals = {};  // of kThese: ascending, each once
};
// "auto", "off", "all", or numbers as "0,2". INVALID_ARGUMENT names the text and what it takes.
absl::StatusOr<GpuSelection> ParseGpuSelection(std::string_view text);

// Whether this build has code for GPUs (-DVOUCH_GPU=ON).
bool HasGpuCode();
// Those of this machine. UNIMPLEMENTED: not built in. UNAVAILABLE: CUDA cannot be asked.
absl::StatusOr<std::vector<GpuProperties>> ListGpus();

// What drives one of them. UNIMPLEMENTED: not built in, or no code for it. FAILED_PRECONDITION: there is no such one.
absl::StatusOr<std::shared_ptr<GpuDriver>> OpenGpuDriver(int ordinal);

// Opens the GPUs that are selected. What is selected by number, or as all, and is not there, is FAILED_PRECONDITION; by auto it is
// left out, and `warn`, which may be empty, hears why.
absl::StatusOr<std::vector<std::unique_ptr<GpuDevice>>> OpenGpus(const GpuSelection& selection, const KernelDeviceOptions& options,
                                                                 const std::function<void(const std::string&)>& warn);

// The same of devices that are listed and opened otherwise: for tests.
using OpenGpu = std::function<absl::StatusOr<std::shared_ptr<GpuDriver>>(const GpuProperties&)>;
absl::StatusOr<std::vector<std::unique_ptr<GpuDevice>>> OpenGpusOf(const absl::StatusOr<std::vector<GpuProperties>>& there,
                                                                   const OpenGpu& open, const GpuSelection& selection,
                                                                   const KernelDeviceOptions& options,
                                                                   const std::function<void(const std::string&)>& warn);

}  // namespace vouch
