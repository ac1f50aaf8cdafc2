#include "storage/sha256.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "storage/concat.h"

namespace vouch {

std::string Sha256(std::string_view bytes) {
  std::string digest(kSha256Bytes, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string HexOf(std::string_view bytes) { return absl::BytesToHexString(ToAbsl(bytes)); }

}  // namespace vouch
