#pragma once

#include <vector>

#include "rag/chunk/chunker.h"

namespace vouch {

// Debian's postgresql-doc-15 through the engine's parser and chunker, in the order of its files.
// Empty where it is not there.
std::vector<Chunk> ReadManualChunks();

}  // namespace vouch
