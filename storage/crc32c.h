#pragma once

#include <cstddef>
#include <cstdint>

namespace vouch {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4), as RocksDB's logs use it. `crc` is that of the bytes before; 0 at first.
uint32_t ExtendCrc32c(uint32_t crc, const char* data, size_t size);

}  // namespace vouch
