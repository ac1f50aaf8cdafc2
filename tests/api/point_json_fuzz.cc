// Points as JSON lines: any bytes are refused, or make a point that is written and read the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "api/cli/point_json.h"

std::vector<std::string> FuzzSeeds() {
  return {R"({"id":7,"vectors":{"v":[0.1,2]},"payload":{"a":1.50},"access":["x"]})",
          R"({"id":8,"multi_vectors":{"m":[[0.5,2],[3,4e-5]],"n":[]},"payload":{}})",
          R"({"id":"a","sparse_vectors":{"s":{"indices":[3],"values":[0.5]}},"provenance":{}})"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto point = vouch::PointFromJson({reinterpret_cast<const char*>(data), size});
  if (!point.ok()) return 0;
  for (const auto& [field, vector] : point->vectors()) {
    // A number that no float holds is not written again; the engine refuses it.
    for (const float value : vector.values()) {
      if (value - value != 0) return 0;
    }
  }
  for (const auto& [field, vector] : point->sparse_vectors()) {
    for (const float value : vector.values()) {
      if (value - value != 0) return 0;
    }
  }
  for (const auto& [field, vector] : point->multi_vectors()) {
    for (const auto& token : vector.tokens()) {
      for (const float value : token.values()) {
        if (value - value != 0) return 0;
      }
    }
  }
  const std::string line = vouch::PointToJson(*point);
  const auto again = vouch::PointFromJson(line);
  if (!again.ok() || vouch::PointToJson(*again) != line) std::abort();
  return 0;
}
