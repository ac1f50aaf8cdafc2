#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace vouch {

using Digest = std::array<uint8_t, 32>;

// 64 lower-case hexadecimal digits.
std::string DigestText(const Digest& digest);
// False where the text is no digest.
bool ParseDigest(std::string_view text, Digest* digest);
inline std::string_view DigestBytes(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// SHA-256 (FIPS 180-4), piece by piece. After Finish it starts anew. Thread compatible.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void Update(std::string_view bytes);
  Digest Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

inline constexpr size_t kSha256Bytes = 32;

// The 32 bytes of SHA-256, for what must not be forged; checksums against damage are XXH3.
std::string Sha256Of(std::string_view bytes);
// Lower-case hexadecimal digits of any bytes.
std::string HexOf(std::string_view bytes);

}  // namespace vouch
