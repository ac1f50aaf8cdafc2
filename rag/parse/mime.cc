#include "rag/parse/mime.h"

#include <unicode/ucnv.h>

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "rag/parse/utf8.h"
#include "storage/concat.h"

namespace vouch {
namespace {

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(ToAbsl(text)); }

std::string_view Trim(std::string_view text) { return ToStd(absl::StripAsciiWhitespace(ToAbsl(text))); }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// %41 as A.
std::string DecodePercents(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0;
    decoded += escape ? static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return decoded;
}

std::string_view TakeLine(std::string_view* text) {
  const size_t end = std::min(text->find('\n'), text->size());
  std::string_view line = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// An encoded word at the start of the text: its size, or 0.
size_t TakeEncodedWord(std::string_view text, std::string* decoded) {
  if (!text.starts_with("=?")) return 0;
  const size_t charset_end = text.find('?', 2);
  if (charset_end == text.npos || charset_end + 2 >= text.size() || text[charset_end + 2] != '?') return 0;
  const size_t end = text.find("?=", charset_end + 3);
  if (end == text.npos) return 0;
  std::string_view charset = text.substr(2, charset_end - 2);
  charset = charset.substr(0, charset.find('*'));  // RFC 2231: a language may follow
  std::string_view data = text.substr(charset_end + 3, end - charset_end - 3);
  if (data.find_first_of(" \t\r\n") != data.npos || charset.empty()) return 0;
  const char encoding = absl::ascii_tolower(text[charset_end + 1]);
  std::string bytes;
  if (encoding == 'b') {
    bytes = DecodeBase64(data);
  } else if (encoding == 'q') {
    std::string spaced(data);
    std::replace(spaced.begin(), spaced.end(), '_', ' ');
    // A space at the end of a line is none in quoted-printable; here it is one.
    bytes = DecodeQuotedPrintable(spaced + "=");
  } else {
    return 0;
  }
  *decoded = CharsetToUtf8(charset, bytes);
  return end + 2;
}

}  // namespace

std::string_view MimeHeader::Find(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (field == name) return value;
  }
  return "";
}

MimeHeader TakeHeader(std::string_view* message) {
  MimeHeader header;
  while (!message->empty()) {
    std::string_view rest = *message;
    const std::string_view line = TakeLine(&rest);
    if (line.empty()) {
      *message = rest;
      return header;
    }
    const bool folded = line.front() == ' ' || line.front() == '\t';
    if (folded && !header.fields.empty()) {
      header.fields.back().second.append(" ").append(Trim(line));
    } else {
      const size_t colon = line.find(':');
      // What is no field ends the header: the body begins without an empty line.
      if (colon == line.npos || colon == 0 || line.substr(0, colon).find(' ') != line.npos) {
        // The line that a mailbox puts before a message.
        if (!header.fields.empty() || !line.starts_with("From ")) return header;
      } else {
        header.fields.emplace_back(Lower(line.substr(0, colon)), std::string(Trim(line.substr(colon + 1))));
      }
    }
    *message = rest;
  }
  return header;
}

std::string_view MimeValue::Find(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return "";
}

MimeValue ParseMimeValue(std::string_view text) {
  MimeValue parsed;
  parsed.value = Lower(Trim(text.substr(0, text.find(';'))));
  text.remove_prefix(std::min(text.find(';'), text.size()));
  std::map<std::string, std::map<int, std::string>> pieces;  // RFC 2231: name*0, name*1* …
  while (text.starts_with(';')) {
    text.remove_prefix(1);
    const size_t equals = text.find('=');
    const size_t next = text.find(';');
    if (equals == text.npos || equals > next) {
      text.remove_prefix(std::min(next, text.size()));
      continue;
    }
    std::string name = Lower(Trim(text.substr(0, equals)));
    text.remove_prefix(equals + 1);
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    std::string value;
    if (text.starts_with('"')) {
      size_t at = 1;
      for (; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        value += text[at];
      }
      text.remove_prefix(std::min(text.find(';', at), text.size()));
    } else {
      const size_t end = std::min(text.find(';'), text.size());
      value = std::string(Trim(text.substr(0, end)));
      text.remove_prefix(end);
    }
    const size_t star = name.find('*');
    if (star == name.npos) {
      parsed.parameters.emplace_back(std::move(name), DecodeEncodedWords(value));
      continue;
    }
    std::string_view rest = std::string_view(name).substr(star + 1);
    const bool encoded = rest.empty() || rest.ends_with('*');
    int index = 0;
    for (const char c : rest.substr(0, 3)) {
      if (absl::ascii_isdigit(c)) index = index * 10 + (c - '0');
    }
    pieces[name.substr(0, star)][index] = encoded ? DecodePercents(value) : value;
  }
  for (const auto& [name, parts] : pieces) {
    std::string whole;
    for (const auto& [index, part] : parts) whole += part;
    // charset'language'text
    const size_t first = whole.find('\'');
    const size_t second = first == whole.npos ? whole.npos : whole.find('\'', first + 1);
    const bool marked = second != whole.npos;
    parsed.parameters.emplace_back(
        name, marked ? CharsetToUtf8(std::string_view(whole).substr(0, first), std::string_view(whole).substr(second + 1))
                     : CharsetToUtf8("", whole));
  }
  return parsed;
}

std::string DecodeEncodedWords(std::string_view text) {
  std::string out;
  bool after_word = false;
  while (!text.empty()) {
    const size_t word = std::min(text.find("=?"), text.size());
    const std::string_view before = text.substr(0, word);
    std::string decoded;
    const size_t size = TakeEncodedWord(text.substr(word), &decoded);
    // White space between two encoded words is not shown.
    if (!(after_word && size > 0 && Trim(before).empty())) out.append(CharsetToUtf8("", before));
    after_word = size > 0;
    out.append(decoded);
    if (size == 0 && word < text.size()) {
      out.append("=?");
      text.remove_prefix(word + 2);
    } else {
      text.remove_prefix(word + size);
    }
  }
  return out;
}

std::string DecodeQuotedPrintable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool last = text.find('\n') == text.npos;
    std::string_view line = TakeLine(&text);
    line = line.substr(0, line.find_last_not_of(" \t") + 1);
    bool soft = false;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '=') {
        out += line[i];
      } else if (i + 1 == line.size()) {
        soft = true;
      } else if (i + 2 < line.size() && HexDigit(line[i + 1]) >= 0 && HexDigit(line[i + 2]) >= 0) {
        out += static_cast<char>(HexDigit(line[i + 1]) * 16 + HexDigit(line[i + 2]));
        i += 2;
      } else {
        out += '=';
      }
    }
    if (!soft && !last) out += '\n';
  }
  return out;
}

std::string DecodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    int value = -1;
    if (c >= 'A' && c <= 'Z') value = c - 'A';
    if (c >= 'a' && c <= 'z') value = c - 'a' + 26;
    if (c >= '0' && c <= '9') value = c - '0' + 52;
    if (c == '+') value = 62;
    if (c == '/') value = 63;
    if (c == '=') break;
    if (value < 0) continue;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++count % 4 == 1) continue;
    const int shift = count % 4 == 2 ? 4 : count % 4 == 3 ? 2 : 0;
    out += static_cast<char>(bits >> shift & 0xFF);
  }
  return out;
}

std::string CharsetToUtf8(std::string_view charset, std::string_view bytes) {
  const std::string name = Lower(Trim(charset));
  const bool utf8 = name.empty() || name == "utf-8" || name == "us-ascii" || name == "ascii";
  if (utf8 && !FindInvalidUtf8(bytes)) return std::string(bytes);
  UErrorCode error = U_ZERO_ERROR;
  UConverter* converter = ucnv_open(utf8 ? "windows-1252" : name.c_str(), &error);
  if (U_FAILURE(error)) {
    if (!FindInvalidUtf8(bytes)) return std::string(bytes);
    error = U_ZERO_ERROR;
    converter = ucnv_open("windows-1252", &error);
    if (U_FAILURE(error)) return "";
  }
  // At most three UTF-8 bytes of a byte, and what a charset with states may add.
  std::string out(bytes.size() * 3 + 64, '\0');
  if (bytes.size() > INT32_MAX / 4) {
    ucnv_close(converter);
    return "";
  }
  const int32_t size = ucnv_toAlgorithmic(UCNV_UTF8, converter, out.data(), static_cast<int32_t>(out.size()), bytes.data(),
                                          static_cast<int32_t>(bytes.size()), &error);
  ucnv_close(converter);
  if (U_FAILURE(error) || size < 0 || static_cast<size_t>(size) > out.size()) return "";
  out.resize(static_cast<size_t>(size));
  return out;
}

}  // namespace vouch
