#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// How documents are cut. Tokens are those of EstimateTokens (parse/token_estimate.h), which need no model.
struct ChunkOptions {
  enum class Method : uint8_t { kStructure, kFixed, kSentence, kParentChild };
  Method method = Method::kStructure;

  // kStructure
  uint32_t target_bytes = 1'200;  // a chunk is closed at the next block border past this
  uint32_t max_bytes = 2'400;     // longer blocks are cut at sentences, then words, then characters
  // Records of a JSONL corpus up to this size stay one chunk, since they are judged as a whole.
  uint32_t record_max_bytes = 16'000;
  // Of a chunk at most, in place of target_bytes and max_bytes; 0: those hold.
  uint32_t structure_tokens = 0;

  // kFixed, kSentence
  uint32_t tokens = 256;  // of a chunk, at most
  // What a chunk repeats of the end of the one before: tokens, at most (kFixed), or sentences (kSentence).
  uint32_t overlap = 0;

  // kParentChild
  uint32_t child_tokens = 128;   // of a chunk, which is what is searched
  uint32_t parent_tokens = 512;  // of what an answer is given for it

  friend bool operator==(const ChunkOptions&, const ChunkOptions&) = default;
};

// "structure", "structure?tokens=300", "structure?target=1200&max=2400&record=16000", "fixed?tokens=256&overlap=32",
// "sentence?tokens=256&overlap=1", "parent_child?child=128&parent=512". INVALID_ARGUMENT names the key and its range, or
// the methods there are.
absl::StatusOr<ChunkOptions> ParseChunkOptions(std::string_view spec);
// INVALID_ARGUMENT: a number outside of its range.
absl::Status ValidateChunkOptions(const ChunkOptions& options);

// Cuts documents into chunks. Deterministic.
//  - structure: a heading starts a chunk and its path is kept with every chunk below it; paragraphs, list items and table
//    rows stay whole where they fit; code blocks are cut at lines only.
//  - fixed: as many words as fit, whatever the structure.
//  - sentence: as many whole sentences (list items, rows, lines of code) as fit, none over a heading.
//  - parent_child: parents as `structure?tokens=…` makes them, each cut into chunks as `sentence` makes them. The chunks
//    name their parent's ordinals; retrieval finds chunks, an answer is given parents.
//
// Invariants:
// 1. Chunks cover every block of the document in order, once where nothing overlaps; ordinals are 0, 1, 2 …
// 2. chunk.text is a slice of the parsed text; where its pieces are exact, source[span] gives the same bytes.
// 3. Cuts never split a UTF-8 character.
// 4. chunk.blocks ascend inside the text, each a block of the document or a piece of one, of its kind.
// 5. Where the method has a budget in tokens, no chunk has more, but for one character that has.
class Chunker {
 public:
  explicit Chunker(ChunkOptions options) : options_(options) {}
  std::vector<Chunk> Split(const ParsedDocument& document, MediaType media_type) const;
  // Names algorithm and parameters exactly: "structure/3?target=1200&max=2400&record=16000".
  std::string id() const;

 private:
  ChunkOptions options_;
};

// Sentences of a block's text as byte ranges, white space trimmed: ICU's rules (UAX 29), but none
// ends after a common abbreviation or an initial, none at a line break that only wraps a long line,
// and where a text sets its stops apart as words ("a wing . the flow"), one ends at each.
std::vector<ByteSpan> SplitSentences(std::string_view text);

}  // namespace vouch
