#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rag/document.h"

namespace vouch {

// Builds a document's text block by block, with the source of every byte. Used by all parsers.
//
// Invariants:
// 1. Pieces ascend by text; where a piece is exact its text bytes are its source bytes.
// 2. No block is empty, starts or ends with white space (code keeps its first line's indentation).
// 3. Between blocks stand one or two line breaks that have no source.
//
// Not thread safe. `source` outlives the builder.
class TextBuilder {
 public:
  explicit TextBuilder(std::string_view source) : source_(source) {}

  // Starts a block, ending the one before it. What is appended outside a block starts a paragraph.
  void BeginBlock(Block::Kind kind, int level = 0);
  void EndBlock();
  void SetLevel(int level) { block_.level = level; }  // of the open block

  // Source bytes as they are.
  void AppendExact(uint64_t begin, uint64_t end);
  // Text that stands for other source bytes.
  void AppendInexact(std::string_view text, uint64_t begin, uint64_t end);
  // Source bytes with each run of white space made one space, none at the start of a block or line.
  void AppendCollapsed(uint64_t begin, uint64_t end);
  // A space to come before the next text, if the block has text before it.
  void AppendSpace() { space_ = true; }
  // A line break to come before the next text, if the block has text before it.
  void AppendLineBreak();
  // Text without a source, " | " between cells, in place of a space or line break that is due.
  void AppendSeparator(std::string_view text);
  // " | " before the second and later cells of a table row, also where a cell has no text, so that columns keep their
  // places: "a | | c".
  void AppendCellBorder();

  bool in_block() const { return in_block_; }
  bool block_has_text() const { return in_block_ && text_.size() > block_.begin; }
  Block::Kind kind() const { return block_.kind; }

  ParsedDocument Finish(std::string title, std::string parser);

 private:
  void StartText();
  // Whether white space would come first in a block that must not start with it.
  bool SkipsSpace() const;
  void FlushSpace();
  void AddPiece(const SpanPiece& piece);

  const std::string_view source_;
  std::string text_;
  std::vector<SpanPiece> pieces_;
  std::vector<Block> blocks_;
  Block block_;
  bool in_block_ = false;
  bool started_ = false;     // the block's separator is written
  bool space_ = false;       // a space is due
  bool line_break_ = false;  // a line break is due, which takes the place of the space
  bool separated_ = false;   // a separator came last: no space or line break is put after it
  uint64_t space_source_ = kNoSource;  // where the due space stands in the source as ' '

  static constexpr uint64_t kNoSource = UINT64_MAX;
};

}  // namespace vouch
