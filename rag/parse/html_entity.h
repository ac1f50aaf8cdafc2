#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vouch {

// A character reference ("&amp;", "&#8212;", "&copy") at the start of a text.
struct HtmlEntity {
  size_t length = 0;   // source bytes, the '&' included; 0: none stands there
  std::string text;    // UTF-8
};

// HTML standard, section 13.2.5.72: longest name of the table, some without their semicolon; numbers
// with the standard's replacements (0, surrogates and numbers past U+10FFFF become U+FFFD, 0x80 to
// 0x9F are windows-1252). `semicolon_only`: as CommonMark has it, only those that end with ';'.
HtmlEntity DecodeHtmlEntity(std::string_view source, bool semicolon_only = false);

// Appends a code point as UTF-8; U+FFFD for one that is none.
void AppendUtf8(char32_t code_point, std::string* text);

extern const char kHtmlEntityTable[];

}  // namespace vouch
