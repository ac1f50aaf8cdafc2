// Merge patches of any two JSON texts, against the JSON library's own; a text in one line, and an
// object put together again from its parts, mean the same.
#include "query/json_text.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "nlohmann/json.hpp"

namespace {

using Json = nlohmann::json;

void Check(bool holds) {
  if (!holds) std::abort();
}

bool IsDeep(std::string_view text) {
  return std::count(text.begin(), text.end(), '{') + std::count(text.begin(), text.end(), '[') > 64;
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  return {"{\"a\":{\"b\":1,\"c\":[1,{\"x\":null}]},\"\\u0061\":2.50}\x1e{\"a\":{\"b\":null},\"d\":\"} ,\"}",
          " { \"a\" : \"\\\"\" } \x1e[1, 2]", "7\x1e{\"a\":{\"b\":null}}"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = input.find('\x1e');
  if (split == std::string_view::npos) return 0;
  const std::string_view target = input.substr(0, split), patch = input.substr(split + 1);
  if (IsDeep(target) || IsDeep(patch)) return 0;
  Json expected = Json::parse(target, nullptr, /*allow_exceptions=*/false);
  const Json change = Json::parse(patch, nullptr, /*allow_exceptions=*/false);
  if (expected.is_discarded() || change.is_discarded()) return 0;
  Check(Json::parse(vouch::OneLine(target)) == expected);
  if (expected.is_object()) {
    Json again = Json::object();
    for (const auto& [key, value] : vouch::SplitObject(target)) again[key] = Json::parse(value);
    Check(again == expected);
  }
  expected.merge_patch(change);
  Check(Json::parse(vouch::MergePatch(target, patch)) == expected);
  return 0;
}
