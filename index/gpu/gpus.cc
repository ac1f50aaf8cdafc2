#include "index/gpu/gpus.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace vouch {

absl::StatusOr<GpuSelection> ParseGpuSelection(std::string_view text) {
  if (text == "auto") return GpuSelection{.kind = GpuSelection::Kind::kAuto};
  if (text == "off") return GpuSelection{.kind = GpuSelection::Kind::kNone};
  if (text == "all") return GpuSelection{.kind = GpuSelection::Kind::kAll};
  GpuSelection selection{.kind = GpuSelection::Kind::kThese};
  for (const absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    int ordinal = 0;
    if (!absl::SimpleAtoi(part, &ordinal) || ordinal < 0 || ordinal > 1023) {
      return absl::InvalidArgumentError(absl::StrCat("'", absl::string_view(text.data(), text.size()),
                                                     "' names no GPUs; it takes auto, off, all, or numbers from 0 on as 0,2"));
    }
    selection.ordinals.push_back(ordinal);
  }
  std::sort(selection.ordinals.begin(), selection.ordinals.end());
  selection.ordinals.erase(std::unique(selection.ordinals.begin(), selection.ordinals.end()), selection.ordinals.end());
  return selection;
}

absl::StatusOr<std::vector<std::unique_ptr<GpuDevice>>> OpenGpusOf(const absl::StatusOr<std::vector<GpuProperties>>& there,
                                                                   const OpenGpu& open, const GpuSelection& selection,
                                                                   const KernelDeviceOptions& options,
                                                                   const std::function<void(const std::string&)>& warn) {
  std::vector<std::unique_ptr<GpuDevice>> devices;
  if (selection.kind == GpuSelection::Kind::kNone) return devices;
  const bool required = selection.kind != GpuSelection::Kind::kAuto;
  const auto leave_out = [&](const std::string& why) -> absl::Status {
    if (required) return absl::FailedPreconditionError(why);
    if (warn) warn(why);
    return absl::OkStatus();
  };
  if (!there.ok()) {
    // A build without them is no news to who asks for what there is.
    if (!required && absl::IsUnimplemented(there.status())) return devices;
    absl::Status status = leave_out(std::string(there.status().message()));
    if (!status.ok()) return status;
    return devices;
  }
  if (there->empty() && selection.kind == GpuSelection::Kind::kAll) return absl::FailedPreconditionError("there is no GPU here");
  for (const int ordinal : selection.ordinals) {
    if (static_cast<size_t>(ordinal) >= there->size()) {
      return absl::FailedPreconditionError(absl::StrCat("GPU ", ordinal, " was asked for; there are ", there->size(), " here"));
    }
  }
  for (const GpuProperties& properties : *there) {
    if (selection.kind == GpuSelection::Kind::kThese &&
        std::count(selection.ordinals.begin(), selection.ordinals.end(), properties.ordinal) == 0) {
      continue;
    }
    absl::StatusOr<std::shared_ptr<GpuDriver>> driver = open(properties);
    absl::StatusOr<std::unique_ptr<KernelDevice>> device =
        driver.ok() ? KernelDevice::Open(*std::move(driver), options) : absl::StatusOr<std::unique_ptr<KernelDevice>>(driver.status());
    if (device.ok()) {
      devices.push_back(*std::move(device));
      continue;
    }
    absl::Status status = leave_out(absl::StrCat("GPU ", properties.ordinal, " (", properties.name,
                                                 ") cannot be used: ", device.status().message()));
    if (!status.ok()) return status;
  }
  return devices;
}

}  // namespace vouch
