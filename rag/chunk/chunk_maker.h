#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rag/document.h"

namespace vouch {

// What a chunk is put together from: a block, or a piece of one.
struct ChunkUnit {
  Block block = {};              // in the document's text; a piece of a heading has no level
  bool inside_sentence = false;  // the cut before it ended no sentence

  bool heading() const { return block.kind == Block::Kind::kHeading && block.level > 0; }
};

// The last place at or before `end` that splits no character, after `begin`.
uint64_t CharacterBorder(std::string_view text, uint64_t begin, uint64_t end);
// Where to cut text that starts at `begin` and goes on past begin + max: after a word where there is one in the second
// half, else at a character.
uint64_t CutAtWord(std::string_view text, uint64_t begin, uint64_t max);
void TrimSpace(std::string_view text, uint64_t* begin, uint64_t* end);

// Makes chunks of units that come in order: keeps the path of headings, and the row that names a table's columns, which
// stands in the heading of chunks that begin inside the table.
//
// Not thread safe; the document outlives it.
class ChunkMaker {
 public:
  explicit ChunkMaker(const ParsedDocument& document) : document_(document) {}

  // Into the open chunk; opens one where none is.
  void Add(const ChunkUnit& unit);
  void Close();

  bool open() const { return open_; }
  bool only_headings() const { return only_headings_; }  // of the open chunk
  uint64_t begin() const { return begin_; }              // likewise
  uint64_t end() const { return end_; }

  std::vector<Chunk> Take() {
    Close();
    return std::move(chunks_);
  }

 private:
  struct Heading {
    int level = 0;
    std::string text = {};
  };

  void Enter(const Block& block);
  std::string Path() const;

  const ParsedDocument& document_;
  std::vector<Chunk> chunks_;
  std::vector<Heading> headings_;
  std::string_view columns_;  // the row that names them, while rows of the table come
  std::string_view chunk_columns_;  // of the open chunk: it begins below that row
  std::vector<Block> blocks_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  bool open_ = false;
  bool only_headings_ = false;
};

}  // namespace vouch
