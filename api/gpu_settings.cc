#include "api/gpu_settings.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "storage/principal.h"

namespace vouch {
namespace {

// "notes" or "acme/papers".
std::pair<std::string, std::string> CollectionOf(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos) return {Principal().tenant, text};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

std::vector<std::string> PartsOf(const std::string& text, char by) {
  if (text.empty()) return {};
  return absl::StrSplit(text, by);
}

absl::Status BadPinned(const std::string& part) {
  return absl::InvalidArgumentError(
      absl::StrCat("gpu.pinned: '", part, "' is no collection; it takes names by commas, as notes,acme/papers"));
}

absl::Status BadShare(const std::string& part, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("gpu.shares: '", part, "' ", why,
                                                 "; it takes TENANT=SHARE:CAP:WEIGHT or TENANT/COLLECTION=SHARE:CAP by commas, "
                                                 "shares and caps from 0 to 100 percent"));
}

absl::Status AddShare(const std::string& part, GpuDenseOptions& options) {
  const std::vector<std::string> sides = absl::StrSplit(part, '=');
  if (sides.size() != 2 || sides[0].empty()) return BadShare(part, "is not NAME=NUMBERS");
  const std::vector<std::string> words = absl::StrSplit(sides[1], ':');
  const bool of_tenant = sides[0].find('/') == std::string::npos;
  if (words.size() > (of_tenant ? 3 : 2)) return BadShare(part, of_tenant ? "has more than three numbers" : "has more than two numbers");
  std::vector<int> numbers;
  for (const std::string& word : words) {
    int number = 0;
    if (!absl::SimpleAtoi(word, &number) || number < 0) return BadShare(part, absl::StrCat("has '", word, "' for a number"));
    numbers.push_back(number);
  }
  const int cap = numbers.size() > 1 ? numbers[1] : 100;
  if (numbers[0] > 100 || cap > 100) return BadShare(part, "has over 100 percent");
  if (numbers[0] > cap) return BadShare(part, "keeps more than it may take");
  const LedgerShare share{.share = numbers[0] / 100.0, .cap = cap / 100.0};
  if (!of_tenant) {
    const auto name = CollectionOf(sides[0]);
    if (name.first.empty() || name.second.empty()) return BadShare(part, "names no collection");
    if (!options.limits.collections.try_emplace(name, share).second) return BadShare(part, "names a collection again");
    return absl::OkStatus();
  }
  if (!options.limits.tenants.try_emplace(sides[0], share).second) return BadShare(part, "names a tenant again");
  if (numbers.size() < 3) return absl::OkStatus();
  if (numbers[2] < 1 || numbers[2] > 1000) return BadShare(part, "has a weight outside 1 to 1000");
  options.weights[sides[0]] = numbers[2];
  return absl::OkStatus();
}

int Percent(double part) { return static_cast<int>(part * 100 + 0.5); }

// What is kept can be: what a tenant's collections keep within its cap, and all of it within the memory.
absl::Status CheckKept(const LedgerLimits& limits, const std::string& shares) {
  std::map<std::string, double> by_tenant;
  for (const auto& [name, share] : limits.collections) by_tenant[name.first] += share.share;
  for (const auto& [tenant, kept] : by_tenant) {
    const auto found = limits.tenants.find(tenant);
    const int cap = Percent(found == limits.tenants.end() ? limits.any_tenant.cap : found->second.cap);
    if (Percent(kept) <= cap) continue;
    return absl::InvalidArgumentError(absl::StrCat("gpu.shares: '", shares, "' keeps ", Percent(kept), " percent for collections of '",
                                                   tenant, "', which may take ", cap));
  }
  for (const auto& [tenant, share] : limits.tenants) by_tenant[tenant] = std::max(by_tenant[tenant], share.share);
  double kept = 0;
  for (const auto& [tenant, share] : by_tenant) kept += share;
  if (Percent(kept) <= 100) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("gpu.shares: '", shares, "' keeps ", Percent(kept), " percent; there are 100"));
}

}  // namespace

absl::StatusOr<GpuSettings> GpuSettingsOf(const Config& config) {
  GpuSettings settings;
  absl::StatusOr<GpuSelection> devices = ParseGpuSelection(config.gpu_devices);
  if (!devices.ok()) return absl::InvalidArgumentError(absl::StrCat("gpu.devices: ", devices.status().message()));
  settings.devices = *std::move(devices);
  GpuDenseOptions& dense = settings.dense;
  dense.memory_limit_bytes = config.gpu_memory_limit;
  dense.copies = static_cast<int>(config.gpu_copies);
  dense.builds = config.gpu_builds == "on";
  dense.batch.most = config.gpu_batch;
  dense.batch.wait = std::chrono::microseconds(config.gpu_batch_wait_us);
  for (const std::string& part : PartsOf(config.gpu_pinned, ',')) {
    const auto name = CollectionOf(part);
    if (name.first.empty() || name.second.empty()) return BadPinned(part);
    dense.pinned.insert(name);
  }
  for (const std::string& part : PartsOf(config.gpu_shares, ',')) {
    if (absl::Status status = AddShare(part, dense); !status.ok()) return status;
  }
  if (absl::Status status = CheckKept(dense.limits, config.gpu_shares); !status.ok()) return status;
  return settings;
}

absl::StatusOr<std::unique_ptr<GpuDense>> OpenGpuDense(GpuSettings settings,
                                                       const std::function<void(const std::string&)>& warn) {
  absl::StatusOr<std::vector<std::unique_ptr<GpuDevice>>> devices = OpenGpus(settings.devices, KernelDeviceOptions(), warn);
  if (!devices.ok()) return devices.status();
  if (devices->empty()) return nullptr;
  settings.dense.warn = warn;
  return std::make_unique<GpuDense>(*std::move(devices), std::move(settings.dense));
}

}  // namespace vouch
