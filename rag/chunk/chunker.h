#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rag/document.h"

namespace vouch {

struct ChunkOptions {
  uint32_t target_bytes = 1'200;  // a chunk is closed at the next block border past this
  uint32_t max_bytes = 2'400;     // longer blocks are cut at sentences, then words, then characters
  // Records of a JSONL corpus up to this size stay one chunk, since they are judged as a whole.
  uint32_t record_max_bytes = 16'000;
};

// Structure-aware: a heading starts a chunk and its path is kept with every chunk below it;
// paragraphs, list items and table rows stay whole where they fit; code blocks are cut at lines
// only. Deterministic.
//
// Invariants:
// 1. Chunks cover every block of the document once, in order; ordinals are 0, 1, 2 …
// 2. chunk.text is a slice of the parsed text; where its pieces are exact, source[span] gives the
// same bytes.
// 3. Cuts never split a UTF-8 character.
// 4. chunk.blocks ascend inside the text, each a block of the document or a piece of one, of its
// kind.
class Chunker {
 public:
  explicit Chunker(ChunkOptions options) : options_(options) {}
  std::vector<Chunk> Split(const ParsedDocument& document, MediaType media_type) const;
  // Names algorithm and parameters exactly: "structure/2?target=1200&max=2400&record=16000".
  std::string id() const;

 private:
  ChunkOptions options_;
};

// Sentences of a block's text as byte ranges, white space trimmed: ICU's rules (UAX 29), but none
// ends after a common abbreviation or an initial, none at a line break that only wraps a long line,
// and where a text sets its stops apart as words ("a wing . the flow"), one ends at each.
std::vector<ByteSpan> SplitSentences(std::string_view text);

}  // namespace vouch
