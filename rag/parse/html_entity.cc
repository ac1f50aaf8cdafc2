#include "rag/parse/html_entity.h"

#include <charconv>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"

namespace vouch {
namespace {

struct NamedEntity {
  std::string text;
  bool without_semicolon = false;
};
using EntityMap = absl::flat_hash_map<std::string_view, NamedEntity>;

constexpr size_t kLongestEntity = 31;

EntityMap LoadTable() {
  EntityMap map;
  std::string_view table = kHtmlEntityTable;
  while (!table.empty()) {
    const size_t name_end = table.find_first_of(";!");
    const size_t end = table.find(' ', name_end);
    NamedEntity entity;
    entity.without_semicolon = table[name_end] == '!';
    const char* at = table.data() + name_end + 1;
    while (at < table.data() + end) {
      uint32_t code_point = 0;
      at = std::from_chars(at, table.data() + end, code_point, 16).ptr + 1;
      AppendUtf8(code_point, &entity.text);
    }
    map.emplace(table.substr(0, name_end), std::move(entity));
    table.remove_prefix(end + 1);
  }
  return map;
}

const EntityMap& Entities() {
  static const EntityMap* const map = new EntityMap(LoadTable());
  return *map;
}

// What the standard takes 0x80 to 0x9F for; 0 where the number stays what it is.
constexpr uint16_t kWindows1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

HtmlEntity DecodeNumber(std::string_view source, bool semicolon_only) {
  HtmlEntity entity;
  size_t at = 2;
  const bool hexadecimal = at < source.size() && (source[at] == 'x' || source[at] == 'X');
  if (hexadecimal) ++at;
  const size_t first = at;
  uint32_t number = 0;
  for (; at < source.size(); ++at) {
    const unsigned char c = source[at];
    if (hexadecimal ? !absl::ascii_isxdigit(c) : !absl::ascii_isdigit(c)) break;
    const uint32_t digit = absl::ascii_isdigit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
    if (number <= 0x10FFFF) number = number * (hexadecimal ? 16 : 10) + digit;
  }
  if (at == first) return entity;
  const bool semicolon = at < source.size() && source[at] == ';';
  // CommonMark 0.30, section 2.5: at most 7 decimal or 6 hexadecimal digits.
  if (semicolon_only && (!semicolon || at - first > (hexadecimal ? 6u : 7u))) return entity;
  if (number == 0) number = 0xFFFD;
  if (!semicolon_only && number >= 0x80 && number <= 0x9F && kWindows1252[number - 0x80] != 0) {
    number = kWindows1252[number - 0x80];
  }
  AppendUtf8(number, &entity.text);
  entity.length = at + (semicolon ? 1 : 0);
  return entity;
}

}  // namespace

void AppendUtf8(char32_t c, std::string* text) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = 0xFFFD;
  if (c < 0x80) {
    text->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    text->push_back(static_cast<char>(0xC0 | (c >> 6)));
    text->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    text->push_back(static_cast<char>(0xE0 | (c >> 12)));
    text->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    text->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    text->push_back(static_cast<char>(0xF0 | (c >> 18)));
    text->push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    text->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    text->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

HtmlEntity DecodeHtmlEntity(std::string_view source, bool semicolon_only) {
  HtmlEntity none;
  if (source.size() < 3 || source[0] != '&') return none;
  if (source[1] == '#') return DecodeNumber(source, semicolon_only);
  size_t end = 1;
  while (end < source.size() && end <= kLongestEntity + 1 && absl::ascii_isalnum(source[end])) ++end;
  const EntityMap& entities = Entities();
  if (end < source.size() && source[end] == ';') {
    const auto found = entities.find(source.substr(1, end - 1));
    if (found != entities.end()) return {end + 1, found->second.text};
  }
  if (semicolon_only) return none;
  for (; end > 2; --end) {
    const auto found = entities.find(source.substr(1, end - 1));
    if (found != entities.end() && found->second.without_semicolon) return {end, found->second.text};
  }
  return none;
}

}  // namespace vouch
