#pragma once

#include <string>
#include <string_view>

namespace vouch {

// `text` for an error message: in single quotes, cut to about 64 bytes at a code point, control
// characters as '?'.
inline std::string Quoted(std::string_view text) {
  constexpr size_t kMaxBytes = 64;
  size_t size = text.size();
  if (size > kMaxBytes) {
    size = kMaxBytes;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  }
  std::string quoted(1, '\'');
  for (char c : text.substr(0, size)) {
    quoted.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
  }
  if (size < text.size()) quoted.append("…");
  quoted.push_back('\'');
  return quoted;
}

}  // namespace vouch
