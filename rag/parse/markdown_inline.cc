#include "rag/parse/markdown_inline.h"

#include <cmark.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "rag/parse/html_entity.h"

namespace vouch {
namespace {

class Aligner {
 public:
  Aligner(const MarkdownContent& content, std::vector<InlinePiece>* pieces)
      : text_(content.text), pieces_(pieces) {}

  bool Align(cmark_node* block);

 private:
  bool Enter(cmark_node* node);
  bool Exit(cmark_node* node);
  bool Text(std::string_view literal);
  bool Code(std::string_view literal);
  bool LineEnd(bool hard);
  bool LinkEnd();
  bool Take(std::string_view expected);
  bool TakeMarks(size_t count);
  void SkipSpace();
  bool SkipInlineTarget();
  bool SkipTitle();
  bool SkipLabel();
  void Exact(uint64_t begin, uint64_t end);

  bool At(char c) const { return at_ < text_.size() && text_[at_] == c; }

  const std::string_view text_;
  std::vector<InlinePiece>* const pieces_;
  uint64_t at_ = 0;
  std::vector<bool> autolinks_;  // of the open links
};

bool Aligner::Align(cmark_node* block) {
  std::unique_ptr<cmark_iter, void (*)(cmark_iter*)> nodes(cmark_iter_new(block), cmark_iter_free);
  for (cmark_event_type event = cmark_iter_next(nodes.get()); event != CMARK_EVENT_DONE;
       event = cmark_iter_next(nodes.get())) {
    cmark_node* node = cmark_iter_get_node(nodes.get());
    if (node == block) continue;
    if (!(event == CMARK_EVENT_ENTER ? Enter(node) : Exit(node))) return false;
  }
  return true;
}

std::string_view Literal(cmark_node* node) {
  const char* literal = cmark_node_get_literal(node);
  return literal == nullptr ? std::string_view() : std::string_view(literal);
}

bool Aligner::Enter(cmark_node* node) {
  switch (cmark_node_get_type(node)) {
    case CMARK_NODE_TEXT:
      return Text(Literal(node));
    case CMARK_NODE_CODE:
      return Code(Literal(node));
    case CMARK_NODE_HTML_INLINE:
      return Take(Literal(node));
    case CMARK_NODE_SOFTBREAK:
      return LineEnd(false);
    case CMARK_NODE_LINEBREAK:
      return LineEnd(true);
    case CMARK_NODE_EMPH:
      return TakeMarks(1);
    case CMARK_NODE_STRONG:
      return TakeMarks(2);
    case CMARK_NODE_LINK:
      autolinks_.push_back(At('<'));
      return At('<') ? Take("<") : Take("[");
    case CMARK_NODE_IMAGE:
      autolinks_.push_back(false);
      return Take("![");
    default:
      return false;
  }
}

bool Aligner::Exit(cmark_node* node) {
  switch (cmark_node_get_type(node)) {
    case CMARK_NODE_EMPH:
      return TakeMarks(1);
    case CMARK_NODE_STRONG:
      return TakeMarks(2);
    case CMARK_NODE_LINK:
    case CMARK_NODE_IMAGE:
      return LinkEnd();
    default:
      return true;
  }
}

void Aligner::Exact(uint64_t begin, uint64_t end) {
  if (!pieces_->empty() && pieces_->back().kind == InlinePiece::Kind::kExact &&
      pieces_->back().end == begin) {
    pieces_->back().end = end;
    return;
  }
  pieces_->push_back({.kind = InlinePiece::Kind::kExact, .begin = begin, .end = end, .text = ""});
}

bool Aligner::Take(std::string_view expected) {
  if (!text_.substr(at_).starts_with(expected)) return false;
  at_ += expected.size();
  return true;
}

bool Aligner::TakeMarks(size_t count) {
  for (; count > 0; --count, ++at_) {
    if (!At('*') && !At('_')) return false;
  }
  return true;
}

bool Aligner::Text(std::string_view literal) {
  const bool escapes = autolinks_.empty() || !autolinks_.back();
  for (size_t i = 0; i < literal.size();) {
    if (at_ >= text_.size()) return false;
    if (escapes && text_[at_] == '\\' && at_ + 1 < text_.size() &&
        absl::ascii_ispunct(text_[at_ + 1])) {
      ++at_;
    } else if (text_[at_] == '&') {
      const HtmlEntity entity = DecodeHtmlEntity(text_.substr(at_), /*semicolon_only=*/true);
      if (entity.length > 0) {
        if (!literal.substr(i).starts_with(entity.text)) return false;
        pieces_->push_back({.kind = InlinePiece::Kind::kInexact,
                            .begin = at_,
                            .end = at_ + entity.length,
                            .text = entity.text});
        at_ += entity.length;
        i += entity.text.size();
        continue;
      }
    }
    if (text_[at_] != literal[i]) return false;
    Exact(at_, at_ + 1);
    ++at_;
    ++i;
  }
  return true;
}

// CommonMark 0.30, section 6.1.
bool Aligner::Code(std::string_view literal) {
  size_t ticks = 0;
  while (At('`')) {
    ++at_;
    ++ticks;
  }
  if (ticks == 0) return false;
  uint64_t close = at_;
  size_t run = 0;
  for (;; ++close) {
    if (close < text_.size() && text_[close] == '`') {
      ++run;
      continue;
    }
    if (run == ticks) break;
    if (close >= text_.size()) return false;
    run = 0;
  }
  uint64_t begin = at_;
  uint64_t end = close - ticks;
  at_ = close;
  const auto is_line_end = [this](uint64_t i) { return text_[i] == '\n' || text_[i] == '\r'; };
  const auto is_space = [&](uint64_t i) { return text_[i] == ' ' || is_line_end(i); };
  bool blank = true;
  for (uint64_t i = begin; i < end; ++i) blank = blank && is_space(i);
  if (!blank && is_space(begin) && is_space(end - 1)) {
    begin += text_.substr(begin).starts_with("\r\n") ? 2 : 1;
    end -= end - begin >= 2 && text_.substr(end - 2, 2) == "\r\n" ? 2 : 1;
  }
  size_t i = 0;
  for (uint64_t at = begin; at < end; ++at) {
    if (text_[at] == '\r' && at + 1 < end && text_[at + 1] == '\n') continue;
    if (i >= literal.size()) return false;
    if (is_line_end(at)) {
      if (literal[i] != ' ') return false;
      pieces_->push_back({.kind = InlinePiece::Kind::kSpace, .begin = at, .end = at, .text = ""});
    } else {
      if (literal[i] != text_[at]) return false;
      Exact(at, at + 1);
    }
    ++i;
  }
  return i == literal.size();
}

void Aligner::SkipSpace() {
  while (at_ < text_.size() && absl::ascii_isspace(text_[at_])) ++at_;
}

bool Aligner::LineEnd(bool hard) {
  if (hard && At('\\')) ++at_;
  while (At(' ') || At('\t')) ++at_;
  if (!At('\n') && !At('\r')) return false;
  pieces_->push_back({.kind = hard ? InlinePiece::Kind::kLineBreak : InlinePiece::Kind::kSpace,
                      .begin = at_,
                      .end = at_,
                      .text = ""});
  if (At('\r')) ++at_;
  if (At('\n')) ++at_;
  while (At(' ') || At('\t')) ++at_;
  return true;
}

bool Aligner::LinkEnd() {
  const bool autolink = autolinks_.back();
  autolinks_.pop_back();
  if (autolink) return Take(">");
  if (!Take("]")) return false;
  const uint64_t after = at_;
  if (At('(') && SkipInlineTarget()) return true;
  at_ = after;
  if (At('[') && SkipLabel()) return true;
  at_ = after;
  return true;
}

// CommonMark 0.30, section 6.3: "(" destination title ")".
bool Aligner::SkipInlineTarget() {
  ++at_;
  SkipSpace();
  if (At('<')) {
    for (++at_; !At('>'); ++at_) {
      if (at_ >= text_.size() || At('\n') || At('\r') || At('<')) return false;
      if (At('\\') && at_ + 1 < text_.size()) ++at_;
    }
    ++at_;
  } else {
    for (int depth = 0; at_ < text_.size(); ++at_) {
      const unsigned char c = text_[at_];
      if (c == '\\' && at_ + 1 < text_.size() && absl::ascii_ispunct(text_[at_ + 1])) {
        ++at_;
      } else if (c == '(') {
        if (++depth > 32) return false;
      } else if (c == ')') {
        if (depth-- == 0) break;
      } else if (absl::ascii_isspace(c) || absl::ascii_iscntrl(c)) {
        break;
      }
    }
  }
  const uint64_t target_end = at_;
  SkipSpace();
  if (at_ > target_end && (At('"') || At('\'') || At('('))) {
    if (!SkipTitle()) return false;
    SkipSpace();
  }
  return Take(")");
}

bool Aligner::SkipTitle() {
  const char close = text_[at_] == '(' ? ')' : text_[at_];
  for (++at_; at_ < text_.size(); ++at_) {
    if (At('\\')) {
      ++at_;
    } else if (At(close)) {
      ++at_;
      return true;
    }
  }
  return false;
}

bool Aligner::SkipLabel() {
  for (++at_; at_ < text_.size(); ++at_) {
    if (At('\\')) {
      ++at_;
    } else if (At('[')) {
      return false;
    } else if (At(']')) {
      ++at_;
      return true;
    }
  }
  return false;
}

}  // namespace

uint64_t MarkdownContent::ToSource(uint64_t at) const {
  auto line = std::partition_point(lines.begin(), lines.end(),
                                   [at](const Line& l) { return l.text_begin <= at; });
  if (line == lines.begin()) return 0;
  --line;
  return line->source_begin + (at - line->text_begin);
}

bool AlignInlines(cmark_node* block, const MarkdownContent& content, std::vector<InlinePiece>* pieces) {
  return Aligner(content, pieces).Align(block);
}

}  // namespace vouch
