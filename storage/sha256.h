#pragma once

#include <string>
#include <string_view>

namespace vouch {

inline constexpr size_t kSha256Bytes = 32;

// The 32 bytes of SHA-256 (FIPS 180-4), for what must not be forged; checksums against damage are XXH3.
std::string Sha256(std::string_view bytes);
// Lower-case hexadecimal digits of any bytes.
std::string HexOf(std::string_view bytes);

}  // namespace vouch
