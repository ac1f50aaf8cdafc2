#include "rag/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "storage/utf8.h"

namespace vouch {
namespace {

constexpr size_t kNumberBytes = 32;  // more than the longest double and 64-bit number

bool NeedsEscape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

}  // namespace

void JsonWriter::Key(std::string_view key) {
  Separate();
  out_ += '"';
  out_ += key;
  out_ += "\":";
  separate_ = false;
}

void JsonWriter::Value(std::string_view text) {
  Separate();
  if (!IsValidUtf8(text)) {
    out_ += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return;
  }
  out_ += '"';
  // Runs between what needs an escape: payloads are JSON themselves, and full of quotes.
  for (size_t from = 0; from < text.size();) {
    const size_t at = static_cast<size_t>(std::find_if(text.begin() + static_cast<ptrdiff_t>(from), text.end(), NeedsEscape) - text.begin());
    out_.append(text, from, at - from);
    from = at;
    if (at == text.size()) break;
    const char c = text[at];
    ++from;
    switch (c) {
      case '"': out_ += "\\\""; break;
      case '\\': out_ += "\\\\"; break;
      case '\b': out_ += "\\b"; break;
      case '\f': out_ += "\\f"; break;
      case '\n': out_ += "\\n"; break;
      case '\r': out_ += "\\r"; break;
      case '\t': out_ += "\\t"; break;
      default: {
        constexpr char kDigits[] = "0123456789abcdef";
        out_ += "\\u00";
        out_ += kDigits[c >> 4];
        out_ += kDigits[c & 15];
      }
    }
  }
  out_ += '"';
}

void JsonWriter::Value(uint64_t number) {
  Separate();
  char text[kNumberBytes];
  out_.append(text, std::to_chars(text, text + kNumberBytes, number).ptr);
}

void JsonWriter::Value(double number) {
  Separate();
  if (!std::isfinite(number)) {
    out_ += "null";
    return;
  }
  char text[kNumberBytes];
  const std::string_view written(text, static_cast<size_t>(std::to_chars(text, text + kNumberBytes, number).ptr - text));
  out_ += written;
  if (written.find_first_of(".e") == std::string_view::npos) out_ += ".0";
}

}  // namespace vouch
