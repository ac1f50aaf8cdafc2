#include "rag/parse/plain_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "rag/parse/parser.h"
#include "rag/parse/text_builder.h"
#include "rag/parse/utf8.h"

namespace vouch {
namespace {

// A line this long that the next one goes on from was wrapped.
constexpr size_t kWrappedLineBytes = 40;

struct Line {
  uint64_t begin = 0;
  uint64_t first = 0;  // after its indentation
  uint64_t end = 0;   // without its line break and white space before that
  uint64_t next = 0;  // where the next line starts
  bool empty() const { return begin == end; }
};

Line LineAt(std::string_view text, uint64_t begin) {
  Line line;
  line.begin = begin;
  line.end = std::min<uint64_t>(text.find_first_of("\r\n", begin), text.size());
  line.next = std::min<uint64_t>(line.end + 1, text.size());
  if (text.substr(line.end).starts_with("\r\n")) line.next = line.end + 2;
  while (line.end > begin && absl::ascii_isspace(text[line.end - 1])) --line.end;
  line.first = begin;
  while (line.first < line.end && absl::ascii_isspace(text[line.first])) ++line.first;
  return line;
}

// Whole paragraphs may be indented, as in manual pages; what is indented otherwise than the line
// before starts anew.
bool GoesOn(std::string_view text, const Line& previous, const Line& line) {
  if (previous.end - previous.begin < kWrappedLineBytes) return false;
  if (line.first > line.begin && line.first - line.begin != previous.first - previous.begin)
    return false;
  // Code, rather than text.
  if (line.first > line.begin &&
      std::string_view(";{}=|\\").find(text[previous.end - 1]) != std::string_view::npos)
    return false;
  const char first = text[line.first];
  return first != '-' && first != '*' && first != '+' && first != '|' && first != '#' &&
         first != '>';
}

}  // namespace

ParsedDocument ParsePlainText(std::string_view bytes) {
  TextBuilder builder(bytes);
  Line previous;
  for (uint64_t at = ByteOrderMarkSize(bytes); at < bytes.size();) {
    const Line line = LineAt(bytes, at);
    if (line.empty()) {
      builder.EndBlock();
    } else if (!builder.in_block()) {
      builder.BeginBlock(Block::Kind::kParagraph);
      builder.AppendExact(line.first, line.end);
    } else if (GoesOn(bytes, previous, line)) {
      builder.AppendSpace();
      builder.AppendExact(line.first, line.end);
    } else {
      builder.AppendLineBreak();
      builder.AppendExact(line.begin, line.end);
    }
    previous = line;
    at = line.next;
  }
  return builder.Finish("", std::string(ParserId(MediaType::kText)));
}

std::vector<Block> FindParagraphs(std::string_view text) {
  std::vector<Block> blocks;
  bool open = false;
  for (uint64_t at = 0; at < text.size();) {
    const Line line = LineAt(text, at);
    at = line.next;
    if (line.empty()) {
      open = false;
      continue;
    }
    if (!open) {
      blocks.push_back(
          {.kind = Block::Kind::kParagraph, .level = 0, .begin = line.first, .end = 0});
      open = true;
    }
    blocks.back().end = line.end;
  }
  return blocks;
}

}  // namespace vouch
