#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "query/filter_parser.h"

std::vector<std::string> FuzzSeeds() {
  return {R"({"and":[{"path":"year","op":">=","value":2020},{"not":{"path":"x","op":"exists"}}]})",
          R"({"or":[{"path":"lang","op":"in","values":["en",1,2.5,true]},{"has_id":["a",7]}]})"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto filter = vouch::FilterFromJson({reinterpret_cast<const char*>(data), size});
  if (!filter.ok()) return 0;
  const auto again = vouch::FilterFromJson(vouch::FilterToJson(*filter));
  if (!again.ok() || *again != *filter) std::abort();
  if (!vouch::ParseFilter(vouch::FormatFilter(*filter)).ok()) std::abort();
  return 0;
}
