#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace vouch {

// A message as JSON for scripts (--json). Field names are those of the proto files; unlike
// protobuf's own mapping, 64-bit integers are numbers, point ids and vectors are plain values, and
// `payload_json`, `provenance_json`, `filter_json`, `metadata_json` become objects named without
// the ending. Fields without a value are left out only where the message tells that apart
// (messages, oneofs, `optional`).
nlohmann::ordered_json MessageToJson(const google::protobuf::Message& message);

// Indented, with a line break; bytes that are not UTF-8 become U+FFFD.
std::string FormatJson(const nlohmann::ordered_json& json);

}  // namespace vouch
