#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/index/payload/payload_fixture.h"

std::vector<std::string> FuzzSeeds() {
  const std::vector<std::string> payloads = {
      R"({"lang":"de","year":2020,"score":0.5,"draft":false,"at":"2026-01-01","place":{"lat":52.5,"lon":13.4},"body":"A red fox."})",
      R"({"lang":["en","fr"],"year":[1999,2021],"draft":true})", R"({})"};
  return {vouch::BuildColumns(vouch::EveryTypeSchema(), payloads)->Serialize()};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const vouch::CollectionSchema* const schema =
      new vouch::CollectionSchema(vouch::EveryTypeSchema());
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto columns = vouch::PayloadColumns::Parse(*schema, bytes, 3);
  if (!columns.ok()) return 0;
  if ((*columns)->Serialize() != bytes) std::abort();
  for (const vouch::PayloadField& field : schema->payload) {
    vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kExists, field.path), *schema);
  }
  vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kGe, "lang", {std::string("a")}), *schema);
  vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kEq, "draft", {true}), *schema);
  vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kWithinRadius, "place", {52.0, 13.0, 1e6}), *schema);
  vouch::RowsMeeting(**columns, vouch::Leaf(vouch::FilterOp::kMatchPhrase, "body", {std::string("red fox")}), *schema);
  return 0;
}
