#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "index/payload/payload_columns.h"

std::vector<std::string> FuzzSeeds() {
  return {"2026-11-23T10:00:00.5+01:00", "1990-12-31T23:59:60Z", "2024-02-29",
          "0000-01-01t00:00:00z"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto micros = vouch::ParseDatetime({reinterpret_cast<const char*>(data), size});
  // Years 0000 to 9999 with offsets of less than a day.
  if (micros.ok() && (*micros < -62'167'305'600'000'000 || *micros > 253'402'387'200'000'000))
    std::abort();
  return 0;
}
