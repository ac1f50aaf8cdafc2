#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "query/filter_parser.h"

std::vector<std::string> FuzzSeeds() {
  return {"year >= 2020 and lang in ('en','de') and not archived",
          "(a or `b c` != -1.5e3) and id not in (1, 'x')",
          "not (true or x exists) and a = \"q\"\"q\""};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto filter = vouch::ParseFilter({reinterpret_cast<const char*>(data), size});
  if (!filter.ok()) return 0;
  const auto again = vouch::ParseFilter(vouch::FormatFilter(*filter));
  if (!again.ok() || *again != *filter) std::abort();
  return 0;
}
