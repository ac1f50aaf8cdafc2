#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/embed/openai_reply.h"
#include "rag/http/http_error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto vectors = vouch::ParseEmbeddingsReply(body, 2, 2);
  if (vectors.ok()) {
    if (vectors->size() != 2) std::abort();
    for (const std::vector<float>& vector : *vectors) {
      if (!vector.empty() && vector.size() != 2) std::abort();
      for (float value : vector) {
        if (!std::isfinite(value)) std::abort();
      }
    }
  }
  if (vouch::ErrorMessageOf(body).size() > 2000) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {
      R"({"data":[{"index":1,"embedding":[1,2.5e-3]},{"index":0,"embedding":[0,-1]}]})",
      R"({"data":[{"index":0,"embedding":"AACAPwAAAEA="},{"index":1,"embedding":"AACAPwAAAEA="}]})",
      R"({"error":{"message":"no","type":"x","param":null,"code":null}})"};
}
