#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rag/document.h"

namespace vouch {

// A string value inside JSON text, decoded, with the source bytes of every character.
struct JsonString {
  std::string text;
  SpanMap spans;  // exact for what stands unescaped
};

// The string value of a key of the object that `json` holds, at its first level; where the key stands twice, the last
// one, as nlohmann::json has it. False where there is none or it is no string. `json` must be valid.
bool FindJsonString(std::string_view json, std::string_view key, JsonString* value);

// How deep arrays and objects are nested. Works on any bytes.
int JsonDepth(std::string_view json);

}  // namespace vouch
