#include <cstdint>
#include <string>
#include <vector>

#include "tests/index/payload/payload_fixture.h"

std::vector<std::string> FuzzSeeds() {
  return {R"({"lang":"de","year":2020,"score":0.5,"draft":false,"at":"2026-01-01"})",
          R"({"lang":["en",null],"year":[-1,18446744073709551615],"score":1e300,"x":{"y":[[]]}})"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const vouch::CollectionSchema* const schema =
      new vouch::CollectionSchema(vouch::OneOfEachSchema());
  const auto payload =
      vouch::ParseTypedPayload(*schema, {reinterpret_cast<const char*>(data), size});
  if (payload.ok()) {
    const vouch::TypedPayload* const row = &*payload;
    vouch::PayloadColumns::Build(*schema, {&row, 1});
  }
  return 0;
}
