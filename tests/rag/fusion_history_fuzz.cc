#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/fusion_settings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto entries = vouch::DecodeFusionHistory({reinterpret_cast<const char*>(data), size});
  if (!entries.ok()) return 0;
  const auto again = vouch::DecodeFusionHistory(vouch::EncodeFusionHistory(*entries));
  if (!again.ok() || *again != *entries) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::FusionEntry tuned;
  tuned.from_version = vouch::Version(3);
  tuned.tuned.judgements = "0123";
  vouch::FusionEntry removed;
  removed.from_version = vouch::Version(5);
  removed.removed = true;
  const std::vector<vouch::FusionEntry> entries = {tuned, removed};
  return {"[]", vouch::EncodeFusionHistory(entries)};
}
