#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "storage/point_id.h"

// One id, one encoding; and the text form leads back to the id.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto id = vouch::PointId::Decode(bytes);
  if (id.ok()) {
    if (id->Encode() != bytes) std::abort();
    if (!id->is_number() && *vouch::PointId::FromString(id->ToString()) != *id) std::abort();
  }
  const auto text = vouch::PointId::FromString(bytes);
  if (text.ok() && *vouch::PointId::Decode(text->Encode()) != *text) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {vouch::PointId(42).Encode(), vouch::PointId::FromString("guide.md#3")->Encode(),
          vouch::PointId::FromString("6fa459ea-ee8a-3ca4-894e-db77e160355e")->Encode(),
          "6fa459ea-ee8a-3ca4-894e-db77e160355e"};
}
