#include "rag/parse/markdown.h"

#include <cmark.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rag/parse/html.h"
#include "rag/parse/markdown_inline.h"
#include "rag/parse/parser.h"
#include "rag/parse/text_builder.h"
#include "rag/parse/utf8.h"

namespace vouch {
namespace {

std::string_view StripSpace(std::string_view text) {
  while (!text.empty() && absl::ascii_isspace(text.front())) text.remove_prefix(1);
  while (!text.empty() && absl::ascii_isspace(text.back())) text.remove_suffix(1);
  return text;
}

using NodePtr = std::unique_ptr<cmark_node, void (*)(cmark_node*)>;
using IterPtr = std::unique_ptr<cmark_iter, void (*)(cmark_iter*)>;

// Lines as cmark counts them: ended by LF, CR LF or CR.
struct LineTable {
  std::vector<uint64_t> begins;  // and one past the last line's end

  LineTable(std::string_view bytes, uint64_t first) {
    begins.push_back(first);
    for (uint64_t at = first; at < bytes.size();) {
      at = std::min<uint64_t>(bytes.find_first_of("\r\n", at), bytes.size());
      if (bytes.substr(at).starts_with("\r\n")) ++at;
      if (at < bytes.size()) ++at;
      begins.push_back(at);
    }
  }
  int count() const { return static_cast<int>(begins.size()) - 1; }
};

// An upper bound of the work of matching every line against every container that may be open.
// Containers open at a line need a marker or two columns of indentation each, but an empty line goes on with all.
absl::Status CheckNesting(std::string_view bytes, const LineTable& lines) {
  uint64_t deepest = 0;
  for (int line = 0; line < lines.count(); ++line) {
    uint64_t columns = 0;
    uint64_t markers = 0;
    for (uint64_t at = lines.begins[line]; at < lines.begins[line + 1]; ++at) {
      const char c = bytes[at];
      if (c == ' ') {
        ++columns;
      } else if (c == '\t') {
        columns += 4;
      } else if (c == '>' || c == '-' || c == '+' || c == '*' || c == '.' || c == ')') {
        ++markers;
      } else if (!absl::ascii_isdigit(c)) {
        break;
      }
    }
    deepest = std::max(deepest, columns / 2 + markers);
  }
  constexpr uint64_t kMaxSteps = 1'000'000'000;
  if (deepest > ParseLimits::kMaxDepth && deepest * lines.count() > kMaxSteps) {
    return absl::InvalidArgumentError(
        absl::StrCat("Markdown that may nest ", deepest, " containers over ", lines.count(),
                     " lines; the limit is ", ParseLimits::kMaxDepth, " containers"));
  }
  return absl::OkStatus();
}

// The YAML front matter's end, `begin` where there is none; takes its title.
uint64_t SkipFrontMatter(std::string_view bytes, uint64_t begin, std::string* title) {
  constexpr int kMaxFrontMatterLines = 200;
  uint64_t at = begin;
  for (int line = 0; line < kMaxFrontMatterLines && at < bytes.size(); ++line) {
    const uint64_t end = std::min<uint64_t>(bytes.find('\n', at), bytes.size());
    const std::string_view text = StripSpace(bytes.substr(at, end - at));
    at = std::min<uint64_t>(end + 1, bytes.size());
    if (line == 0) {
      if (text != "---") return begin;
      continue;
    }
    if (text == "---" || text == "...") return at;
    if (text.starts_with("title:")) {
      std::string_view value = StripSpace(text.substr(6));
      if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0]) {
        value = value.substr(1, value.size() - 2);
      }
      *title = std::string(value);
    }
  }
  title->clear();
  return begin;
}

class MarkdownReader {
 public:
  MarkdownReader(std::string_view bytes, uint64_t first, const LineTable& lines, TextBuilder* builder)
      : bytes_(bytes), first_(first), lines_(lines), builder_(builder) {}

  absl::Status Read();

 private:
  absl::Status Enter(cmark_node* node);
  void Exit(cmark_node* node);
  void ReadInlines(cmark_node* node, Block::Kind kind, int level);
  void ReadTable(const MarkdownContent& content, const std::vector<InlinePiece>& pieces, uint64_t delimiter_begin,
                 uint64_t delimiter_end);
  void ReadCode(cmark_node* node);
  MarkdownContent ContentOf(cmark_node* node) const;
  void Append(const MarkdownContent& content, const InlinePiece& piece);
  // Bytes of line `line` (from 1, as cmark counts), line break included.
  std::string_view Line(int line) const {
    return bytes_.substr(lines_.begins[line - 1], lines_.begins[line] - lines_.begins[line - 1]);
  }

  const std::string_view bytes_;
  const uint64_t first_;
  const LineTable& lines_;
  TextBuilder* const builder_;
  int depth_ = 0;
  int quotes_ = 0;
  int items_ = 0;
};

absl::Status MarkdownReader::Read() {
  const std::string_view text = bytes_.substr(first_);
  NodePtr root(cmark_parse_document(text.data(), text.size(), CMARK_OPT_DEFAULT), cmark_node_free);
  if (root == nullptr) return absl::ResourceExhaustedError("Markdown: out of memory");
  IterPtr nodes(cmark_iter_new(root.get()), cmark_iter_free);
  for (cmark_event_type event = cmark_iter_next(nodes.get()); event != CMARK_EVENT_DONE;
       event = cmark_iter_next(nodes.get())) {
    cmark_node* node = cmark_iter_get_node(nodes.get());
    if (event == CMARK_EVENT_EXIT) {
      Exit(node);
      continue;
    }
    if (absl::Status status = Enter(node); !status.ok()) return status;
    const cmark_node_type type = cmark_node_get_type(node);
    // Their inline nodes are read with them.
    if (type == CMARK_NODE_PARAGRAPH || type == CMARK_NODE_HEADING) {
      cmark_iter_reset(nodes.get(), node, CMARK_EVENT_EXIT);
    }
  }
  builder_->EndBlock();
  return absl::OkStatus();
}

absl::Status MarkdownReader::Enter(cmark_node* node) {
  switch (cmark_node_get_type(node)) {
    case CMARK_NODE_BLOCK_QUOTE:
    case CMARK_NODE_LIST:
    case CMARK_NODE_ITEM:
      if (++depth_ > ParseLimits::kMaxDepth) {
        return absl::InvalidArgumentError(absl::StrCat("Markdown nested deeper than ", ParseLimits::kMaxDepth,
                                                       " containers in line ",
                                                       cmark_node_get_start_line(node)));
      }
      if (cmark_node_get_type(node) == CMARK_NODE_BLOCK_QUOTE) ++quotes_;
      if (cmark_node_get_type(node) == CMARK_NODE_ITEM) ++items_;
      return absl::OkStatus();
    case CMARK_NODE_PARAGRAPH:
      ReadInlines(node, items_ > 0 ? Block::Kind::kListItem : Block::Kind::kParagraph, 0);
      return absl::OkStatus();
    case CMARK_NODE_HEADING:
      ReadInlines(node, Block::Kind::kHeading, cmark_node_get_heading_level(node));
      return absl::OkStatus();
    case CMARK_NODE_CODE_BLOCK:
      ReadCode(node);
      return absl::OkStatus();
    case CMARK_NODE_HTML_BLOCK: {
      const int first = std::clamp(cmark_node_get_start_line(node), 1, lines_.count());
      const int last = std::clamp(cmark_node_get_end_line(node), first, lines_.count());
      builder_->EndBlock();
      return AppendHtml(bytes_, lines_.begins[first - 1], lines_.begins[last], builder_, nullptr);
    }
    default:
      return absl::OkStatus();
  }
}

void MarkdownReader::Exit(cmark_node* node) {
  switch (cmark_node_get_type(node)) {
    case CMARK_NODE_BLOCK_QUOTE:
      --depth_;
      --quotes_;
      break;
    case CMARK_NODE_ITEM:
      --depth_;
      --items_;
      break;
    case CMARK_NODE_LIST:
      --depth_;
      break;
    default:
      break;
  }
}

MarkdownContent MarkdownReader::ContentOf(cmark_node* node) const {
  MarkdownContent content;
  const int first = std::clamp(cmark_node_get_start_line(node), 1, lines_.count());
  const int last = std::clamp(cmark_node_get_end_line(node), first, lines_.count());
  for (int number = first; number <= last; ++number) {
    const std::string_view line = Line(number);
    size_t at = 0;
    if (number == first) {
      at = std::min<size_t>(std::max(cmark_node_get_start_column(node) - 1, 0), line.size());
    } else {
      const auto skip_space = [&] {
        while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
      };
      skip_space();
      for (int quote = 0; quote < quotes_ && at < line.size() && line[at] == '>'; ++quote) {
        ++at;
        skip_space();
      }
    }
    if (number == first && cmark_node_get_type(node) == CMARK_NODE_HEADING) {
      size_t marks = at;
      while (marks < line.size() && line[marks] == '#') ++marks;
      const bool atx = marks > at && marks - at <= 6 &&
                       (marks == line.size() || absl::ascii_isspace(line[marks]));
      if (atx) at = marks;
      while (atx && at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
    }
    content.lines.push_back({.text_begin = content.text.size(), .source_begin = lines_.begins[number - 1] + at});
    content.text.append(line.substr(at));
  }
  return content;
}

void MarkdownReader::Append(const MarkdownContent& content, const InlinePiece& piece) {
  switch (piece.kind) {
    case InlinePiece::Kind::kExact:
      builder_->AppendExact(content.ToSource(piece.begin), content.ToSource(piece.begin) + piece.end - piece.begin);
      break;
    case InlinePiece::Kind::kInexact:
      builder_->AppendInexact(piece.text, content.ToSource(piece.begin),
                              content.ToSource(piece.begin) + piece.end - piece.begin);
      break;
    case InlinePiece::Kind::kSpace:
      builder_->AppendSpace();
      break;
    case InlinePiece::Kind::kLineBreak:
      builder_->AppendLineBreak();
      break;
  }
}

// Whether a line is a table's delimiter row, "|---|:-:|" (GitHub Flavored Markdown, section 4.10).
bool IsDelimiterRow(std::string_view line) {
  line = StripSpace(line);
  return line.find('|') != line.npos && line.find('-') != line.npos &&
         line.find_first_not_of("|-: \t") == line.npos;
}

void MarkdownReader::ReadInlines(cmark_node* node, Block::Kind kind, int level) {
  builder_->EndBlock();
  if (cmark_node_first_child(node) == nullptr) return;
  const MarkdownContent content = ContentOf(node);
  std::vector<InlinePiece> pieces;
  if (!AlignInlines(node, content, &pieces)) {
    builder_->BeginBlock(kind, level);
    for (size_t i = 0; i < content.lines.size(); ++i) {
      const uint64_t end = i + 1 < content.lines.size() ? content.lines[i + 1].text_begin : content.text.size();
      const auto& line = content.lines[i];
      builder_->AppendCollapsed(line.source_begin, line.source_begin + (end - line.text_begin));
    }
    builder_->EndBlock();
    return;
  }
  if (content.lines.size() > 1 && kind != Block::Kind::kHeading) {
    const uint64_t begin = content.lines[1].text_begin;
    const uint64_t end = content.lines.size() > 2 ? content.lines[2].text_begin : content.text.size();
    if (IsDelimiterRow(std::string_view(content.text).substr(begin, end - begin))) {
      ReadTable(content, pieces, begin, end);
      return;
    }
  }
  builder_->BeginBlock(kind, level);
  for (const InlinePiece& piece : pieces) Append(content, piece);
  builder_->EndBlock();
}

// One block a row, without the delimiter row.
void MarkdownReader::ReadTable(const MarkdownContent& content, const std::vector<InlinePiece>& pieces,
                               uint64_t delimiter_begin, uint64_t delimiter_end) {
  builder_->BeginBlock(Block::Kind::kTable, 1);
  for (const InlinePiece& piece : pieces) {
    if (piece.begin >= delimiter_begin && piece.begin < delimiter_end) continue;
    if (piece.kind == InlinePiece::Kind::kSpace || piece.kind == InlinePiece::Kind::kLineBreak) {
      builder_->BeginBlock(Block::Kind::kTable);
    } else {
      Append(content, piece);
    }
  }
  builder_->EndBlock();
}

void MarkdownReader::ReadCode(cmark_node* node) {
  const char* literal = cmark_node_get_literal(node);
  std::string_view code = literal == nullptr ? "" : literal;
  int number = std::clamp(cmark_node_get_start_line(node), 1, lines_.count());
  {
    // The line of an opening fence holds no code.
    const std::string_view line = Line(number);
    const std::string_view start =
        line.substr(std::min<size_t>(std::max(cmark_node_get_start_column(node) - 1, 0), line.size()));
    const std::string_view trimmed = start.substr(std::min(start.find_first_not_of(' '), start.size()));
    if (start.size() - trimmed.size() < 4 && (trimmed.starts_with("```") || trimmed.starts_with("~~~"))) {
      ++number;
    }
  }
  builder_->BeginBlock(Block::Kind::kCode);
  uint64_t previous_end = 0;
  for (; !code.empty() && number <= lines_.count(); ++number) {
    const size_t end = std::min(code.find_first_of("\r\n"), code.size());
    const std::string_view text = code.substr(0, end);
    code.remove_prefix(end);
    if (code.starts_with("\r\n")) code.remove_prefix(1);
    if (!code.empty()) code.remove_prefix(1);
    std::string_view line = Line(number);
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    const uint64_t line_begin = lines_.begins[number - 1];
    if (builder_->block_has_text()) {
      if (bytes_[previous_end] == '\r') ++previous_end;
      if (bytes_[previous_end] == '\n') {
        builder_->AppendExact(previous_end, previous_end + 1);
      } else {
        builder_->AppendInexact("\n", previous_end - 1, previous_end);
      }
    }
    previous_end = line_begin + line.size();
    if (line.ends_with(text)) {
      builder_->AppendExact(line_begin + line.size() - text.size(), line_begin + line.size());
    } else {
      // A tab that is partly indentation stands for the spaces that are left of it.
      builder_->AppendInexact(text, line_begin, line_begin + line.size());
    }
  }
  builder_->EndBlock();
}

}  // namespace

absl::StatusOr<ParsedDocument> ParseMarkdown(std::string_view bytes) {
  std::string title;
  const uint64_t first = SkipFrontMatter(bytes, ByteOrderMarkSize(bytes), &title);
  const LineTable lines(bytes, first);
  TextBuilder builder(bytes);
  if (first < bytes.size()) {
    if (absl::Status status = CheckNesting(bytes, lines); !status.ok()) return status;
    if (absl::Status status = MarkdownReader(bytes, first, lines, &builder).Read(); !status.ok()) return status;
  }
  ParsedDocument document = builder.Finish(std::move(title), std::string(ParserId(MediaType::kMarkdown)));
  const Block* best = nullptr;
  for (const Block& block : document.blocks) {
    if (block.kind == Block::Kind::kHeading && (best == nullptr || block.level < best->level)) best = &block;
  }
  if (document.title.empty() && best != nullptr) {
    document.title = document.text.substr(best->begin, best->end - best->begin);
  }
  return document;
}

}  // namespace vouch
