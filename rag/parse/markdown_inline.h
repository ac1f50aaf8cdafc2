#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rag/document.h"

struct cmark_node;

namespace vouch {

// The content of a paragraph or heading as CommonMark sees it: its lines without what their containers put before
// them, each with its place in the source.
struct MarkdownContent {
  std::string text;  // with the source's line breaks
  struct Line {
    uint64_t text_begin = 0;
    uint64_t source_begin = 0;
  };
  std::vector<Line> lines;  // ascending

  uint64_t ToSource(uint64_t at) const;
};

// A piece of a block's text in reading order.
struct InlinePiece {
  enum class Kind : uint8_t { kExact, kInexact, kSpace, kLineBreak };
  Kind kind = Kind::kExact;
  uint64_t begin = 0;  // in MarkdownContent::text
  uint64_t end = 0;
  std::string text;  // kInexact
};

// Follows the inline nodes under `block` through its content, byte by byte: each node must take exactly the source
// that CommonMark makes it from. libcmark's own columns of inline nodes are wrong after continuation lines, so they
// are not used. False where the two part; `pieces` is of no use then.
bool AlignInlines(cmark_node* block, const MarkdownContent& content, std::vector<InlinePiece>* pieces);

}  // namespace vouch
