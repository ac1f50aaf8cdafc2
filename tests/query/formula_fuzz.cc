// Formulas: any text is refused with its place, or has a value that is finite or none, whatever the
// values are.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "query/formula.h"

std::vector<std::string> FuzzSeeds() {
  return {
      "score * (1 + 0.2 * log1p(default(likes, 0))) * exp_decay(published, datetime('2026-11-23'), "
      "days(30))",
      "geo_distance(lat, lon, 52.5, 13.4) / 1e3 - -min(score, `lat`, pow(2, 3))",
      "gauss_decay(lat, 0, 10, 1, 0.3) + linear_decay(lon, 1, 2)"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vouch::CollectionSchema schema;
  schema.payload = {{.path = "likes", .type = vouch::PayloadType::kInteger},
                    {.path = "lat", .type = vouch::PayloadType::kFloat},
                    {.path = "lon", .type = vouch::PayloadType::kFloat},
                    {.path = "published", .type = vouch::PayloadType::kDatetime},
                    {.path = "lang", .type = vouch::PayloadType::kKeyword}};
  const auto formula = vouch::Formula::Parse({reinterpret_cast<const char*>(data), size}, schema);
  if (!formula.ok()) return 0;
  for (const double value : {0.0, -1.5, 1e308, std::nan("")}) {
    const std::vector<double> values(formula->fields().size(), value);
    if (std::isinf(formula->Evaluate(value, values))) std::abort();
  }
  return 0;
}
