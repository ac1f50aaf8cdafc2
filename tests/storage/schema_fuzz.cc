#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "storage/schema.h"

// A schema that is taken is written in a form that reads as the same schema.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto schema = vouch::CollectionSchema::FromJson({reinterpret_cast<const char*>(data), size});
  if (!schema.ok() || !schema->Validate().ok()) return 0;
  const std::string json = schema->ToJson();
  const auto again = vouch::CollectionSchema::FromJson(json);
  if (!again.ok() || again->ToJson() != json) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {R"({"dense":[{"name":"v","dim":3,"metric":"l2","index":"hnsw","hnsw":{"m":8}}],
              "text":[{"name":"t","paths":["a.b"],"language":"german","k1":1.5}],
              "payload":[{"path":"p","type":"integer"}]})",
          R"({"sparse":[{"name":"s"}]})",
          R"({"multi_vector":[{"name":"m","dim":3,"metric":"ip","type":"i8"}]})", "{}", vouch::CollectionSchema().ToJson()};
}
