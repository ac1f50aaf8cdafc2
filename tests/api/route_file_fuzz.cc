// Route files are written by people, and may hold anything.
#include <cstdint>
#include <string>
#include <vector>

#include "api/route_file.h"

std::vector<std::string> FuzzSeeds() {
  return {"tiers:\n  - {name: a, endpoint: 'http://h/v1', model: m, max_tokens: 5, seed: 1}\n",
          "name: x\nprices: {version: 1, models: {m: {input_per_million: 0.15}}}\nlimits: "
          "{tenant_day: 1.5}\n"
          "tiers: [{name: a, endpoint: 'http://h/v1', model: m}]\n",
          "tiers: &a [*a]\n", "? [x]\n: y\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  absl::StatusOr<vouch::RouteSpec> spec =
      vouch::ParseRouteFile("fuzz.yaml", text, [](const std::string&) { return std::nullopt; });
  if (spec.ok() && !vouch::CheckRoute(&*spec).ok()) __builtin_trap();
  return 0;
}
