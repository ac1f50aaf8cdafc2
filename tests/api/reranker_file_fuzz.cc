// Files of rerankers are written by people, and may hold anything.
#include <cstdint>
#include <string>
#include <vector>

#include "api/reranker_file.h"

std::vector<std::string> FuzzSeeds() {
  return {
      "rerankers:\n  - {name: a, shape: jina, endpoint: 'http://h', model: m, batch: 5, path: t}\n",
      "rerankers: [{name: a, shape: cohere, endpoint: 'https://h/v2', model: m, retries: 0}]\n",
      "rerankers: &a [*a]\n", "? [x]\n: y\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<vouch::CrossEncoders> encoders =
      vouch::ParseRerankerFile("fuzz.yaml", text, [](const std::string&) { return std::nullopt; });
  if (encoders.ok() && (encoders->empty() || encoders->size() > vouch::kMaxRerankers)) {
    __builtin_trap();
  }
  return 0;
}
