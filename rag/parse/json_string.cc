#include "rag/parse/json_string.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "rag/parse/html_entity.h"

namespace vouch {
namespace {

// The end of the string literal whose opening quote is at `at`, past its closing quote.
uint64_t StringEnd(std::string_view json, uint64_t at) {
  for (++at; at < json.size(); ++at) {
    if (json[at] == '\\') {
      ++at;
    } else if (json[at] == '"') {
      return at + 1;
    }
  }
  return json.size();
}

uint32_t HexValue(std::string_view digits) {
  uint32_t value = 0;
  for (const char c : digits) {
    const unsigned char u = c;
    const uint32_t digit = absl::ascii_isdigit(u) ? u - '0' : (u | 0x20) - 'a' + 10;
    value = value * 16 + (digit & 0xF);
  }
  return value;
}

// Decodes the escape at `at` ('\\'); returns the offset after it.
uint64_t DecodeEscape(std::string_view json, uint64_t at, std::string* text) {
  const char kind = at + 1 < json.size() ? json[at + 1] : '\\';
  switch (kind) {
    case 'b':
      *text += '\b';
      return at + 2;
    case 'f':
      *text += '\f';
      return at + 2;
    case 'n':
      *text += '\n';
      return at + 2;
    case 'r':
      *text += '\r';
      return at + 2;
    case 't':
      *text += '\t';
      return at + 2;
    case 'u':
      break;
    default:
      *text += kind;
      return at + 2;
  }
  uint32_t code = HexValue(json.substr(std::min(at + 2, json.size()), 4));
  uint64_t end = at + 6;
  if (code >= 0xD800 && code <= 0xDBFF && json.substr(std::min(end, json.size())).starts_with("\\u")) {
    const uint32_t low = HexValue(json.substr(std::min(end + 2, json.size()), 4));
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    end += 6;
  }
  AppendUtf8(code, text);
  return end;
}

// Decodes the literal [begin, end), quotes included.
JsonString DecodeLiteral(std::string_view json, uint64_t begin, uint64_t end) {
  JsonString value;
  std::vector<SpanPiece> pieces;
  const uint64_t last = end - 1;
  for (uint64_t at = begin + 1; at < last;) {
    SpanPiece piece{.text_begin = value.text.size(), .text_end = 0, .source_begin = at, .source_end = 0,
                    .exact = json[at] != '\\'};
    if (piece.exact) {
      at = std::min<uint64_t>(json.find('\\', at), last);
      value.text.append(json.substr(piece.source_begin, at - piece.source_begin));
    } else {
      at = std::min(DecodeEscape(json, at, &value.text), last);
    }
    piece.text_end = value.text.size();
    piece.source_end = at;
    pieces.push_back(piece);
  }
  value.spans = SpanMap(std::move(pieces));
  return value;
}

uint64_t SkipSpace(std::string_view json, uint64_t at) {
  while (at < json.size() && absl::ascii_isspace(json[at])) ++at;
  return at;
}

}  // namespace

bool FindJsonString(std::string_view json, std::string_view key, JsonString* value) {
  bool found = false;
  int depth = 0;
  for (uint64_t at = 0; at < json.size();) {
    const char c = json[at];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c != '"') {
      ++at;
      continue;
    }
    const uint64_t end = StringEnd(json, at);
    const uint64_t colon = SkipSpace(json, end);
    if (depth != 1 || colon >= json.size() || json[colon] != ':') {
      at = end;
      continue;
    }
    const bool wanted = DecodeLiteral(json, at, end).text == key;
    at = SkipSpace(json, colon + 1);
    if (!wanted) continue;
    found = at < json.size() && json[at] == '"';
    if (!found) continue;
    const uint64_t value_end = StringEnd(json, at);
    *value = DecodeLiteral(json, at, value_end);
    at = value_end;
  }
  return found;
}

int JsonDepth(std::string_view json) {
  int depth = 0;
  int deepest = 0;
  for (uint64_t at = 0; at < json.size(); ++at) {
    switch (json[at]) {
      case '"':
        at = StringEnd(json, at) - 1;
        break;
      case '{':
      case '[':
        deepest = std::max(deepest, ++depth);
        break;
      case '}':
      case ']':
        --depth;
        break;
      default:
        break;
    }
  }
  return deepest;
}

}  // namespace vouch
