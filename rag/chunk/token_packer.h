#pragma once

#include <cstdint>
#include <vector>

#include "rag/document.h"

namespace vouch {

// The chunk methods that count tokens (Chunker says what they do). Each covers text [begin, end) of blocks
// [first_block, last_block).
std::vector<Chunk> PackBlocks(const ParsedDocument& document, uint32_t tokens);
std::vector<Chunk> PackSentences(const ParsedDocument& document, uint32_t tokens, uint32_t overlap);
std::vector<Chunk> PackWords(const ParsedDocument& document, uint32_t tokens, uint32_t overlap);
std::vector<Chunk> PackParentsAndChildren(const ParsedDocument& document, uint32_t child_tokens, uint32_t parent_tokens);

}  // namespace vouch
