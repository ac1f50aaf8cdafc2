#include "storage/utf8.h"

#include <cstddef>
#include <cstdint>

namespace vouch {

namespace {

// The allowed second bytes of a sequence, by its first byte, and how many bytes follow the first.
struct Sequence {
  int following;
  uint8_t second_lo;
  uint8_t second_hi;
};

Sequence SequenceOf(uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {1, 0x80, 0xBF};
  if (lead == 0xE0) return {2, 0xA0, 0xBF};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {2, 0x80, 0xBF};
  if (lead == 0xF0) return {3, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {3, 0x80, 0xBF};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {-1, 0, 0};
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const uint8_t lead = static_cast<uint8_t>(text[at++]);
    if (lead < 0x80) continue;
    const Sequence sequence = SequenceOf(lead);
    if (sequence.following < 0) return false;
    if (text.size() - at < static_cast<size_t>(sequence.following)) return false;
    const uint8_t second = static_cast<uint8_t>(text[at]);
    if (second < sequence.second_lo || second > sequence.second_hi) return false;
    for (int i = 1; i < sequence.following; ++i) {
      const uint8_t byte = static_cast<uint8_t>(text[at + static_cast<size_t>(i)]);
      if (byte < 0x80 || byte > 0xBF) return false;
    }
    at += static_cast<size_t>(sequence.following);
  }
  return true;
}

}  // namespace vouch
