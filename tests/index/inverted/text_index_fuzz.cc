#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "index/inverted/text_index.h"

namespace {

constexpr uint32_t kRows = 3;

std::string MakeIndex() {
  const std::vector<vouch::AnalyzedText> texts = {
      {.terms = {{"flap", 1}, {"wing", 2}}, .length = 3},
      {},
      {.terms = {{"wing", 1}}, .length = 1}};
  std::vector<const vouch::AnalyzedText*> pointers;
  for (const vouch::AnalyzedText& text : texts) pointers.push_back(&text);
  return vouch::TextIndex::Build(pointers)->Serialize();
}

}  // namespace

std::vector<std::string> FuzzSeeds() { return {MakeIndex()}; }

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto index = vouch::TextIndex::Parse(bytes, kRows);
  if (index.ok() && (*index)->Serialize() != bytes) std::abort();
  return 0;
}
