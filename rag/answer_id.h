#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace vouch {

// 16 bytes of the system's randomness.
std::array<uint8_t, 16> RandomBytes();

// A UUIDv7 (RFC 9562, section 5.7) of a time in microseconds since the epoch: 48 bits of
// milliseconds, 12 bits of the microseconds within them (so that ids of one process sort by time),
// 62 random bits. Lower case, 36 characters.
std::string MakeUuidV7(int64_t time_us, const std::array<uint8_t, 16>& random);

}  // namespace vouch
