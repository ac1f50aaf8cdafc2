#include "index/dense/mapped_vectors.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the fastest variant that this processor runs; all give the same sum
#else
#include <xxhash.h>
#endif

namespace vouch {

uint64_t VectorChecksum(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace vouch
