#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "rag/document.h"

namespace vouch {

// Every exact piece gives the source's bytes, pieces ascend inside the text, and sources lie inside the document.
inline ::testing::AssertionResult SpansAreExact(std::string_view source, std::string_view text, const SpanMap& spans) {
  uint64_t last_end = 0;
  for (const SpanPiece& piece : spans.pieces()) {
    if (piece.text_begin < last_end || piece.text_begin >= piece.text_end || piece.text_end > text.size()) {
      return ::testing::AssertionFailure() << "piece at text " << piece.text_begin << "," << piece.text_end;
    }
    if (piece.source_begin > piece.source_end || piece.source_end > source.size()) {
      return ::testing::AssertionFailure() << "piece at source " << piece.source_begin << "," << piece.source_end;
    }
    const std::string_view here = text.substr(piece.text_begin, piece.text_end - piece.text_begin);
    const std::string_view there = source.substr(piece.source_begin, piece.source_end - piece.source_begin);
    if (piece.exact && here != there) {
      return ::testing::AssertionFailure() << "text \"" << here << "\" is not source \"" << there << "\"";
    }
    last_end = piece.text_end;
  }
  // What no piece covers is only what a parser puts between blocks, cells and words.
  std::string uncovered(text);
  for (const SpanPiece& piece : spans.pieces()) {
    for (uint64_t i = piece.text_begin; i < piece.text_end; ++i) uncovered[i] = ' ';
  }
  if (const size_t at = uncovered.find_first_not_of(" \n|"); at != uncovered.npos) {
    return ::testing::AssertionFailure() << "text byte " << at << " has no source: '" << uncovered[at] << "'";
  }
  return ::testing::AssertionSuccess();
}

// Blocks ascend inside the text, hold no white space at their ends, and spans are exact.
inline ::testing::AssertionResult DocumentIsSound(std::string_view source, const ParsedDocument& document) {
  uint64_t last_end = 0;
  for (const Block& block : document.blocks) {
    if (block.begin < last_end || block.begin >= block.end || block.end > document.text.size()) {
      return ::testing::AssertionFailure() << "block " << block.begin << "," << block.end;
    }
    const char first = document.text[block.begin];
    const char last = document.text[block.end - 1];
    const bool code = block.kind == Block::Kind::kCode;
    if (last == ' ' || last == '\n' || (!code && (first == ' ' || first == '\n'))) {
      return ::testing::AssertionFailure() << "white space at the border of block " << block.begin << "," << block.end;
    }
    last_end = block.end;
  }
  return SpansAreExact(source, document.text, document.spans);
}

// A chunk's spans are exact and lie in its source, which lies in the document's; its blocks ascend
// inside its text.
inline ::testing::AssertionResult ChunkIsSound(std::string_view source, const Chunk& chunk) {
  if (chunk.source.begin > chunk.source.end || chunk.source.end > source.size()) {
    return ::testing::AssertionFailure()
           << "source " << chunk.source.begin << "," << chunk.source.end;
  }
  for (const SpanPiece& piece : chunk.spans.pieces()) {
    if (piece.source_begin < chunk.source.begin || piece.source_end > chunk.source.end) {
      return ::testing::AssertionFailure()
             << "piece at source " << piece.source_begin << "," << piece.source_end;
    }
  }
  uint64_t last_end = 0;
  for (const Block& block : chunk.blocks) {
    if (block.begin < last_end || block.begin >= block.end || block.end > chunk.text.size()) {
      return ::testing::AssertionFailure() << "block " << block.begin << "," << block.end;
    }
    last_end = block.end;
  }
  return SpansAreExact(source, chunk.text, chunk.spans);
}

}  // namespace vouch
