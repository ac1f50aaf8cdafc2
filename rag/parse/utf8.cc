#include "rag/parse/utf8.h"

#include <cstdint>
#include <cstring>

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
    const bool utf16 = bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
    return absl::InvalidArgumentError(
        absl::StrFormat("not UTF-8: byte 0x%02X at offset %d%s", static_cast<unsigned char>(bytes[*bad]),
                        *bad, utf16 ? "; the file looks like UTF-16" : ""));
  }
  if (const size_t nul = bytes.find('\0'); nul != bytes.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a text: byte 0x00 at offset ", nul));
  }
  return absl::OkStatus();
}

size_t ByteOrderMarkSize(std::string_view bytes) {
  return bytes.starts_with("\xEF\xBB\xBF") ? 3 : 0;
}

}  // namespace vouch
