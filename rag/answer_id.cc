#include "rag/answer_id.h"

#include <sys/random.h>

#include <cerrno>

namespace vouch {

std::array<uint8_t, 16> RandomBytes() {
  std::array<uint8_t, 16> bytes{};
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got > 0) filled += static_cast<size_t>(got);
    // Only a kernel without the call fails otherwise; ids then differ by their time.
    if (got < 0 && errno != EINTR) break;
  }
  return bytes;
}

std::string MakeUuidV7(int64_t time_us, const std::array<uint8_t, 16>& random) {
  std::array<uint8_t, 16> bytes = random;
  const uint64_t time = time_us > 0 ? static_cast<uint64_t>(time_us) : 0;
  const uint64_t ms = time / 1000;
  // RFC 9562, section 6.2, method 3: the fraction of the millisecond in rand_a.
  const uint64_t fraction = time % 1000 * 4096 / 1000;
  for (size_t i = 0; i < 6; ++i) bytes[i] = static_cast<uint8_t>(ms >> (40 - 8 * i));
  bytes[6] = static_cast<uint8_t>(0x70 | fraction >> 8);
  bytes[7] = static_cast<uint8_t>(fraction);
  bytes[8] = static_cast<uint8_t>(0x80 | (bytes[8] & 0x3F));
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 0xF];
  }
  return text;
}

}  // namespace vouch
