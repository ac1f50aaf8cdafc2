#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/rerank/rerank_reply.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto scores = vouch::ParseRerankReply(body, 2);
  if (!scores.ok()) return 0;
  if (scores->size() != 2) std::abort();
  for (double score : *scores) {
    if (!std::isfinite(score)) std::abort();
  }
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {
      R"({"results":[{"index":1,"relevance_score":0.98},{"index":0,"relevance_score":-1e-3}]})",
      R"({"results":[{"index":0,"relevance_score":1e999},{"index":1,"document":{"text":"a"}}]})"};
}
