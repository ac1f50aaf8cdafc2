#include "rag/parse/text_builder.h"

#include <utility>

namespace vouch {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'; }

// List items and table rows stand on lines of their own, other blocks are set apart by an empty line.
bool IsTight(Block::Kind kind) {
  return kind == Block::Kind::kListItem || kind == Block::Kind::kTable;
}

}  // namespace

void TextBuilder::BeginBlock(Block::Kind kind, int level) {
  EndBlock();
  in_block_ = true;
  block_ = {.kind = kind, .level = level, .begin = text_.size(), .end = text_.size()};
}

void TextBuilder::EndBlock() {
  space_ = false;
  line_break_ = false;
  separated_ = false;
  space_source_ = kNoSource;
  if (!in_block_) return;
  in_block_ = false;
  if (!started_) return;
  started_ = false;
  uint64_t end = text_.size();
  while (end > block_.begin && IsSpace(text_[end - 1])) --end;
  text_.resize(end);
  while (!pieces_.empty() && pieces_.back().text_end > end) {
    SpanPiece& last = pieces_.back();
    if (last.text_begin >= end) {
      pieces_.pop_back();
      continue;
    }
    if (last.exact) last.source_end -= last.text_end - end;
    last.text_end = end;
  }
  // A row of empty cells is none.
  if (end == block_.begin || pieces_.empty() || pieces_.back().text_end <= block_.begin) return;
  block_.end = end;
  blocks_.push_back(block_);
}

void TextBuilder::StartText() {
  if (!in_block_) BeginBlock(Block::Kind::kParagraph);
  if (started_) return;
  started_ = true;
  space_ = false;
  line_break_ = false;
  // What an empty block left behind is no text.
  text_.resize(blocks_.empty() ? 0 : blocks_.back().end);
  if (!blocks_.empty()) {
    text_ += blocks_.back().kind == block_.kind && IsTight(block_.kind) ? "\n" : "\n\n";
  }
  block_.begin = text_.size();
}

bool TextBuilder::SkipsSpace() const {
  return !started_ && !(in_block_ && block_.kind == Block::Kind::kCode);
}

void TextBuilder::FlushSpace() {
  if (text_.size() > block_.begin && !separated_) {
    if (line_break_) {
      text_ += '\n';
    } else if (space_ && IsSpace(text_.back())) {
      // Set apart already.
    } else if (space_ && space_source_ != kNoSource) {
      AddPiece({.text_begin = text_.size(),
                .text_end = text_.size() + 1,
                .source_begin = space_source_,
                .source_end = space_source_ + 1,
                .exact = true});
      text_ += ' ';
    } else if (space_) {
      text_ += ' ';
    }
  }
  space_ = false;
  line_break_ = false;
  separated_ = false;
  space_source_ = kNoSource;
}

void TextBuilder::AddPiece(const SpanPiece& piece) {
  if (!pieces_.empty()) {
    SpanPiece& last = pieces_.back();
    if (last.exact && piece.exact && last.text_end == piece.text_begin &&
        last.source_end == piece.source_begin) {
      last.text_end = piece.text_end;
      last.source_end = piece.source_end;
      return;
    }
  }
  pieces_.push_back(piece);
}

void TextBuilder::AppendExact(uint64_t begin, uint64_t end) {
  while (begin < end && SkipsSpace() && IsSpace(source_[begin])) ++begin;
  if (begin >= end) return;
  StartText();
  FlushSpace();
  AddPiece({.text_begin = text_.size(),
            .text_end = text_.size() + (end - begin),
            .source_begin = begin,
            .source_end = end,
            .exact = true});
  text_.append(source_.substr(begin, end - begin));
}

void TextBuilder::AppendInexact(std::string_view text, uint64_t begin, uint64_t end) {
  if (text.empty() || (SkipsSpace() && IsSpace(text[0]))) return;
  StartText();
  FlushSpace();
  AddPiece({.text_begin = text_.size(),
            .text_end = text_.size() + text.size(),
            .source_begin = begin,
            .source_end = end,
            .exact = false});
  text_.append(text);
}

void TextBuilder::AppendCollapsed(uint64_t begin, uint64_t end) {
  uint64_t at = begin;
  while (at < end) {
    const uint64_t space_begin = at;
    while (at < end && IsSpace(source_[at])) ++at;
    if (at > space_begin) {
      space_ = true;
      // A space next to the text on either side keeps its piece whole.
      if (source_[at - 1] == ' ') {
        space_source_ = at - 1;
      } else if (source_[space_begin] == ' ') {
        space_source_ = space_begin;
      }
    }
    const uint64_t text_begin = at;
    while (at < end && !IsSpace(source_[at])) ++at;
    AppendExact(text_begin, at);
  }
}

void TextBuilder::AppendLineBreak() {
  if (block_has_text()) line_break_ = true;
}

void TextBuilder::AppendSeparator(std::string_view text) {
  StartText();
  space_ = false;
  line_break_ = false;
  separated_ = true;
  text_.append(text);
}

void TextBuilder::AppendCellBorder() {
  if (!block_has_text()) {
    AppendSeparator("| ");
  } else {
    AppendSeparator(IsSpace(text_.back()) ? "| " : " | ");
  }
}

ParsedDocument TextBuilder::Finish(std::string title, std::string parser) {
  EndBlock();
  text_.resize(blocks_.empty() ? 0 : blocks_.back().end);
  return {.title = std::move(title),
          .text = std::move(text_),
          .spans = SpanMap(std::move(pieces_)),
          .blocks = std::move(blocks_),
          .parser = std::move(parser)};
}

}  // namespace vouch
