#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/index/payload/payload_fixture.h"

std::vector<std::string> FuzzSeeds() {
  const std::vector<std::string> payloads = {
      R"({"lang":"de","year":2020,"score":0.5,"draft":false,"at":"2026-01-01"})",
      R"({"lang":["en","fr"],"year":[1999,2021],"draft":true})", R"({})"};
  return {vouch::BuildColumns(vouch::OneOfEachSchema(), payloads)->Serialize()};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const vouch::CollectionSchema* const schema =
      new vouch::CollectionSchema(vouch::OneOfEachSchema());
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto columns = vouch::PayloadColumns::Parse(*schema, bytes, 3);
  if (!columns.ok()) return 0;
  if ((*columns)->Serialize() != bytes) std::abort();
  for (const vouch::PayloadField& field : schema->payload) {
    vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kExists, field.path));
  }
  vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kGe, "lang", {std::string("a")}));
  vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kEq, "draft", {true}));
  return 0;
}
