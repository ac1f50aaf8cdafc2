#include "rag/parse/rendition_builder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "rag/parse/utf8.h"

namespace vouch {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";
constexpr std::string_view kNoBreakSpace = "\u00A0";
constexpr std::string_view kSoftHyphen = "\u00AD";
constexpr std::string_view kSpace = " \t\r\n\f\v";

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && kSpace.find(c) == kSpace.npos) || byte == 0x7F;
}

}  // namespace

std::string CleanText(std::string_view bytes) {
  std::string valid;
  std::string_view rest = bytes;
  while (const auto bad = FindInvalidUtf8(rest)) {
    valid.append(rest.substr(0, *bad)).append(kReplacement);
    rest.remove_prefix(*bad + 1);
  }
  valid.append(rest);
  std::string clean;
  clean.reserve(valid.size());
  for (size_t i = 0; i < valid.size(); ++i) {
    const std::string_view here = std::string_view(valid).substr(i, 2);
    if (here == kNoBreakSpace || here == kSoftHyphen) {
      if (here == kNoBreakSpace) clean += ' ';
      ++i;
    } else if (!IsControl(valid[i])) {
      clean += valid[i];
    }
  }
  return clean;
}

void RenditionBuilder::AppendText(std::string_view text) {
  const std::string clean = CleanText(text);
  std::string_view rest = clean;
  while (!rest.empty()) {
    const size_t begin = rest.find_first_not_of(kSpace);
    if (begin != 0) builder_.AppendSpace();
    if (begin == rest.npos) return;
    rest.remove_prefix(begin);
    const size_t end = std::min(rest.find_first_of(kSpace), rest.size());
    builder_.AppendInexact(rest.substr(0, end), 0, 0);
    bytes_ += end + 1;
    rest.remove_prefix(end);
  }
}

void RenditionBuilder::AppendRaw(std::string_view text) {
  const std::string clean = CleanText(text);
  builder_.AppendInexact(clean, 0, 0);
  bytes_ += clean.size();
}

void RenditionBuilder::BeginCell(bool first) {
  if (first) return;
  builder_.AppendCellBorder();
  bytes_ += 3;
}

void RenditionBuilder::AppendDocument(const ParsedDocument& document, int levels) {
  constexpr int kMaxLevel = 6;
  for (const Block& block : document.blocks) {
    const bool heading = block.kind == Block::Kind::kHeading;
    BeginBlock(block.kind, heading ? std::min(block.level + levels, kMaxLevel) : block.level);
    AppendRaw(std::string_view(document.text).substr(block.begin, block.end - block.begin));
    EndBlock();
  }
}

ParsedDocument RenditionBuilder::Finish(std::string title, std::string_view parser) {
  ParsedDocument document = builder_.Finish(std::move(title), std::string(parser));
  document.rendered = true;
  document.spans = SpanMap::Identity(document.text.size());
  return document;
}

}  // namespace vouch
