#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "index/inverted/analyzer.h"

std::vector<std::string> FuzzSeeds() {
  return {"The wings of 3.14 airplanes, don't stall.", "Stra\u00dfe \u6f22\u5b57 caf\u00e9 e\u0301",
          "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u05d0\"\u05d0 \U0001F468\u200d\U0001F469"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::shared_ptr<const vouch::Analyzer>>* const analyzers = [] {
    auto* list = new std::vector<std::shared_ptr<const vouch::Analyzer>>;
    for (const std::string& language : vouch::Analyzer::Languages()) {
      list->push_back(vouch::Analyzer::Create(language).value());
    }
    return list;
  }();
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const vouch::Analyzer& analyzer = *(*analyzers)[data[0] % analyzers->size()];
  const std::vector<vouch::Token> tokens = analyzer.Tokenize(text);
  uint32_t previous = 0;
  for (const vouch::Token& token : tokens) {
    const bool sound = previous <= token.begin && token.begin < token.end && token.end <= size &&
                       !token.term.empty() && token.term.size() <= vouch::Analyzer::kMaxTermBytes;
    if (!sound) std::abort();
    previous = token.end;
  }
  if (analyzer.Analyze(text).length != tokens.size()) std::abort();
  return 0;
}
