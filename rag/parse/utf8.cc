#include "rag/parse/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace vouch {
namespace {

// Bytes of the well-formed character at `at`, 0 where none stands there.
size_t CharacterLength(std::string_view bytes, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t {
    return at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0;
  };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint32_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (first == 0xED && byte(1) > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;  // overlong
    if (first == 0xF4 && byte(1) > 0x8F) return 0;  // past U+10FFFF
    return 4;
  }
  return 0;
}

// What the bytes seem to be instead, and what helps; empty where they look like no text at all.
std::string GuessEncoding(std::string_view bytes) {
  constexpr size_t kSample = 4'096;
  const std::string_view sample = bytes.substr(0, kSample);
  size_t even_zeros = 0;
  size_t odd_zeros = 0;
  size_t controls = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const auto byte = static_cast<unsigned char>(sample[i]);
    if (byte == 0) ++(i % 2 == 0 ? even_zeros : odd_zeros);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f') ++controls;
  }
  const bool mark = bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
  // Latin letters in UTF-16 have zeros in every other place and hardly any in the others.
  const size_t zeros = std::max(even_zeros, odd_zeros);
  if (mark || (zeros * 4 > sample.size() && std::min(even_zeros, odd_zeros) * 20 < zeros)) {
    const char* const name = mark ? "UTF-16" : even_zeros > odd_zeros ? "UTF-16BE" : "UTF-16LE";
    return absl::StrCat("; the file looks like UTF-16: iconv -f ", name, " -t UTF-8 converts it");
  }
  if (controls == 0)
    return "; the file may be of an older encoding: iconv -f LATIN1 -t UTF-8 converts the western "
           "one";
  return "; the file looks binary";
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    if (at + 8 <= bytes.size()) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + at, 8);
      if ((word & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const size_t length = CharacterLength(bytes, at);
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

absl::Status CheckText(std::string_view bytes) {
  if (const auto bad = FindInvalidUtf8(bytes)) {
    return absl::InvalidArgumentError(absl::StrFormat("not UTF-8: byte 0x%02X at offset %d%s",
                                                      static_cast<unsigned char>(bytes[*bad]), *bad,
                                                      GuessEncoding(bytes)));
  }
  if (const size_t nul = bytes.find('\0'); nul != bytes.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a text: byte 0x00 at offset ", nul, GuessEncoding(bytes)));
  }
  return absl::OkStatus();
}

size_t ByteOrderMarkSize(std::string_view bytes) {
  return bytes.starts_with("\xEF\xBB\xBF") ? 3 : 0;
}

}  // namespace vouch
