// Gates and objectives as a store keeps them: what reads is written the same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/deliver/gate.h"
#include "rag/deliver/slo.h"

std::vector<std::string> FuzzSeeds() {
  vouch::GateSpec gate;
  gate.name = "g";
  gate.thresholds.push_back({.metric = "map", .min = 0.5});
  gate.no_worse.push_back({.metric = "map", .share = 0.1});
  return {vouch::GateToJson(gate), vouch::SloToJson({.name = "s", .limit = 1.5})};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto gate = vouch::GateFromJson(text); gate.ok()) {
    const std::string once = vouch::GateToJson(*gate);
    const auto again = vouch::GateFromJson(once);
    if (!again.ok() || vouch::GateToJson(*again) != once) std::abort();
  }
  if (const auto slo = vouch::SloFromJson(text); slo.ok()) {
    const std::string once = vouch::SloToJson(*slo);
    const auto again = vouch::SloFromJson(once);
    if (!again.ok() || vouch::SloToJson(*again) != once) std::abort();
  }
  return 0;
}
