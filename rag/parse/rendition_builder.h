#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rag/document.h"
#include "rag/parse/text_builder.h"

namespace vouch {

// Builds the canonical rendition of a source that is no text: blocks one after the other, white space collapsed, bytes
// that are not UTF-8 as U+FFFD. Text and rendition are the same bytes, so that spans are the identity.
//
// Not thread safe.
class RenditionBuilder {
 public:
  RenditionBuilder() : builder_(std::string_view()) {}

  void BeginBlock(Block::Kind kind, int level = 0) { builder_.BeginBlock(kind, level); }
  void EndBlock() { builder_.EndBlock(); }
  // Words of the open block (a paragraph where none is open); white space at either end sets them apart from what is
  // beside.
  void AppendText(std::string_view text);
  // As it is, line breaks included: lines of code, or of plain text.
  void AppendRaw(std::string_view text);
  void AppendLineBreak() { builder_.AppendLineBreak(); }
  // The border to the next cell of a table row; `first`: the row's first cell begins.
  void BeginCell(bool first);
  // All blocks of another document, its headings `levels` deeper.
  void AppendDocument(const ParsedDocument& document, int levels);

  bool in_block() const { return builder_.in_block(); }
  // Bytes of text so far, at most (white space at the end may go).
  uint64_t size() const { return bytes_; }

  ParsedDocument Finish(std::string title, std::string_view parser);

 private:
  TextBuilder builder_;
  uint64_t bytes_ = 0;
};

// Bytes that are not UTF-8, NULs and control characters other than white space as U+FFFD or left out.
std::string CleanText(std::string_view bytes);

}  // namespace vouch
