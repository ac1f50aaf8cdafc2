#include "rag/parse/pdf_layout.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "rag/parse/html_entity.h"
#include "rag/parse/parser.h"
#include "rag/parse/rendition_builder.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kMaxHeadingBytes = 200;
constexpr size_t kMaxHeadingLines = 3;
constexpr double kHeadingGrowth = 1.15;  // over the height of most text
constexpr size_t kMaxLineBytes = size_t{1} << 20;
constexpr size_t kRunningPages = 3;  // fewer repeats are no running head

double Attribute(std::string_view line, std::string_view name) {
  const size_t at = line.find(name);
  if (at == line.npos) return 0;
  std::string_view value = line.substr(at + name.size());
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || !std::isfinite(number)) return 0;
  constexpr double kFar = 1e6;
  return std::clamp(number, -kFar, kFar);
}

std::string DecodeEntities(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    const HtmlEntity entity = text.front() == '&' ? DecodeHtmlEntity(text, /*semicolon_only=*/true) : HtmlEntity();
    decoded += entity.length > 0 ? entity.text : std::string(1, text.front());
    text.remove_prefix(std::max<size_t>(entity.length, 1));
  }
  return decoded;
}

// Numbers apart, so that "Page 3" and "Page 4" are the same.
std::string RunningForm(const PdfLine& line) {
  std::string form;
  for (const char c : line.text) {
    if (!absl::ascii_isdigit(c)) {
      form += c;
    } else if (form.empty() || form.back() != '#') {
      form += '#';
    }
  }
  return form;
}

bool IsLower(std::string_view text, size_t at) { return at < text.size() && absl::ascii_islower(text[at]); }

size_t BulletBytes(std::string_view text) {
  for (const std::string_view bullet : {"•", "◦", "▪", "‣", "●", "○", "■", "–", "-", "*"}) {
    if (text.starts_with(bullet) && text.substr(bullet.size()).starts_with(' ')) return bullet.size() + 1;
  }
  return 0;
}

bool IsNumbered(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && at < 3 && absl::ascii_isdigit(text[at])) ++at;
  return at > 0 && at + 1 < text.size() && (text[at] == '.' || text[at] == ')') && text[at + 1] == ' ';
}

bool EndsSentence(std::string_view text) {
  return text.ends_with('.') || text.ends_with('!') || text.ends_with('?') || text.ends_with(':') ||
         text.ends_with(".\"") || text.ends_with(".)") || text.ends_with("”");
}

int HalfPoints(const PdfLine& line) { return static_cast<int>(std::lround(line.height * 2)); }

// Makes the text from the lines.
class PdfWriter {
 public:
  // Words with hyphens inside lines, and how high most of the text is.
  void Learn(const std::vector<PdfLine>& lines) {
    for (const PdfLine& line : lines) {
      heights_[HalfPoints(line)] += line.text.size();
      const std::string_view text = line.text;
      for (size_t at = text.find('-'); at != text.npos; at = text.find('-', at + 1)) {
        const size_t begin = text.rfind(' ', at) + 1;
        const size_t end = std::min(text.find(' ', at), text.size());
        if (end - begin > kMaxWordBytes || at == begin || at + 1 == end) continue;
        compounds_.insert(absl::AsciiStrToLower(std::string(text.substr(begin, end - begin))));
      }
    }
  }

  void EndLearning() {
    uint64_t most = 0;
    int body = 0;
    for (const auto& [height, bytes] : heights_) {
      if (bytes <= most) continue;
      most = bytes;
      body = height;
    }
    int level = 1;
    for (auto at = heights_.rbegin(); at != heights_.rend() && at->first > body * kHeadingGrowth; ++at) {
      levels_[at->first] = std::min(level++, 6);
    }
  }

  // The lines of a block.
  void Write(uint32_t page, const std::vector<PdfLine>& lines) {
    const int level = HeadingLevel(lines);
    if (level > 0) {
      BeginBlock(Block::Kind::kHeading, level);
      for (const PdfLine& line : lines) Append(page, line, 0);
      EndBlock();
      return;
    }
    for (size_t i = 0; i < lines.size(); ++i) {
      const size_t bullet = BulletBytes(lines[i].text);
      if (bullet > 0 || IsNumbered(lines[i].text)) {
        BeginBlock(Block::Kind::kListItem, 0);
      } else if (i == 0 && !GoesOn(page, lines[i])) {
        BeginBlock(Block::Kind::kParagraph, 0);
      }
      Append(page, lines[i], bullet);
    }
  }

  ParsedDocument Finish() {
    EndBlock();
    ParsedDocument document;
    document.parser = ParserId(MediaType::kPdf);
    document.rendered = true;
    document.text = std::move(text_);
    document.spans = SpanMap::Identity(document.text.size());
    document.blocks = std::move(blocks_);
    document.places = std::move(places_);
    for (const Block& block : document.blocks) {
      if (block.kind != Block::Kind::kHeading) continue;
      document.title = document.text.substr(block.begin, block.end - block.begin);
      break;
    }
    return document;
  }

 private:
  static constexpr size_t kMaxWordBytes = 100;

  int HeadingLevel(const std::vector<PdfLine>& lines) const {
    if (lines.size() > kMaxHeadingLines) return 0;
    size_t bytes = 0;
    int lowest = INT32_MAX;
    for (const PdfLine& line : lines) {
      bytes += line.text.size();
      lowest = std::min(lowest, HalfPoints(line));
    }
    const auto level = levels_.find(lowest);
    return bytes > kMaxHeadingBytes || level == levels_.end() ? 0 : level->second;
  }

  // Whether a page's first paragraph is the rest of the page's before.
  bool GoesOn(uint32_t page, const PdfLine& line) const {
    return open_ && !places_.empty() && page == places_.back().page + 1 && !EndsSentence(text_) && IsLower(line.text, 0);
  }

  void BeginBlock(Block::Kind kind, int level) {
    EndBlock();
    open_ = true;
    block_ = {.kind = kind, .level = level, .begin = 0, .end = 0};
    if (text_.empty()) return;
    const bool tight = kind == Block::Kind::kListItem && blocks_.back().kind == kind;
    text_ += tight ? "\n" : "\n\n";
    block_.begin = text_.size();
  }

  void EndBlock() {
    if (!open_) return;
    open_ = false;
    block_.end = text_.size();
    blocks_.push_back(block_);
  }

  // The end of the text is the first part of a word that the line goes on with: its hyphen goes, or stays where the word
  // has one.
  bool JoinsWord(std::string_view line) {
    const std::string_view last = std::string_view(text_).substr(text_.find_last_of(" \n") + 1);
    if (last.size() < 3 || last.size() > kMaxWordBytes || !last.ends_with('-')) return false;
    if (!IsLower(last, last.size() - 2) || !IsLower(line, 0)) return false;
    const std::string_view first = line.substr(0, std::min({line.find(' '), line.size(), kMaxWordBytes}));
    if (!compounds_.contains(absl::AsciiStrToLower(Concat(last, first)))) text_.pop_back();
    return true;
  }

  void Append(uint32_t page, const PdfLine& line, size_t skipped) {
    const std::string_view words = std::string_view(line.text).substr(skipped);
    if (text_.size() > block_.begin && !JoinsWord(words)) text_ += ' ';
    Place place{.page = page,
                .begin = text_.size(),
                .end = text_.size() + words.size(),
                .left = static_cast<int32_t>(std::floor(line.left)),
                .top = static_cast<int32_t>(std::floor(line.top)),
                .right = static_cast<int32_t>(std::ceil(line.right)),
                .bottom = static_cast<int32_t>(std::ceil(line.bottom))};
    text_.append(words);
    if (!places_.empty()) places_.back().end = std::min(places_.back().end, place.begin);
    if (places_.empty() || places_.back().page != page || places_.back().begin < block_.begin) {
      places_.push_back(place);
      return;
    }
    Place& last = places_.back();
    last.end = place.end;
    last.left = std::min(last.left, place.left);
    last.top = std::min(last.top, place.top);
    last.right = std::max(last.right, place.right);
    last.bottom = std::max(last.bottom, place.bottom);
  }

  std::map<int, uint64_t> heights_;  // in half points → bytes of text
  std::map<int, int> levels_;        // of heights
  absl::flat_hash_set<std::string> compounds_;
  std::string text_;
  std::vector<Block> blocks_;
  std::vector<Place> places_;
  Block block_;
  bool open_ = false;
};

}  // namespace

absl::Status PdfLayout::Add(std::string_view piece) {
  while (!piece.empty()) {
    const size_t end = piece.find('\n');
    rest_.append(piece.substr(0, end));
    if (rest_.size() > kMaxLineBytes) {
      return absl::ResourceExhaustedError(
          Concat("page ", pages_.size(), " of the PDF has a word of more than ", kMaxLineBytes, " bytes"));
    }
    if (end == piece.npos) return absl::OkStatus();
    if (absl::Status status = TakeLine(rest_); !status.ok()) return status;
    rest_.clear();
    piece.remove_prefix(end + 1);
  }
  return absl::OkStatus();
}

absl::Status PdfLayout::TakeLine(std::string_view line) {
  line = line.substr(std::min(line.find_first_not_of(' '), line.size()));
  if (line.starts_with("<page ")) {
    if (pages_.size() == kMaxPages) {
      return absl::ResourceExhaustedError(Concat("the PDF has more than ", kMaxPages, " pages, the limit"));
    }
    pages_.emplace_back();
  } else if (pages_.empty()) {
    return absl::OkStatus();
  } else if (line.starts_with("<block ")) {
    pages_.back().blocks.emplace_back();
  } else if (line.starts_with("<line ") && !pages_.back().blocks.empty()) {
    pages_.back().blocks.back().push_back({.text = "",
                                           .left = Attribute(line, "xMin=\""),
                                           .top = Attribute(line, "yMin=\""),
                                           .right = Attribute(line, "xMax=\""),
                                           .bottom = Attribute(line, "yMax=\"")});
  } else if (line.starts_with("<word ")) {
    TakeWord(line);
    if (text_bytes_ > kMaxTextBytes) {
      return absl::ResourceExhaustedError(Concat("the PDF has more than ", kMaxTextBytes, " bytes of text, the limit"));
    }
  }
  return absl::OkStatus();
}

void PdfLayout::TakeWord(std::string_view line) {
  if (pages_.back().blocks.empty() || pages_.back().blocks.back().empty()) return;
  const size_t begin = line.find('>');
  const size_t end = line.rfind("</word>");
  if (begin == line.npos || end == line.npos || end <= begin) return;
  std::string word = CleanText(DecodeEntities(line.substr(begin + 1, end - begin - 1)));
  absl::StripAsciiWhitespace(&word);
  if (word.empty()) return;
  PdfLine& open = pages_.back().blocks.back().back();
  if (!open.text.empty()) open.text += ' ';
  open.text += word;
  open.height = std::max(open.height, Attribute(line, "yMax=\"") - Attribute(line, "yMin=\""));
  text_bytes_ += word.size() + 1;
}

absl::StatusOr<ParsedDocument> PdfLayout::Finish() {
  // Lines and blocks without words are none.
  for (Page& page : pages_) {
    for (std::vector<PdfLine>& block : page.blocks) {
      std::erase_if(block, [](const PdfLine& line) { return line.text.empty(); });
    }
    std::erase_if(page.blocks, [](const std::vector<PdfLine>& block) { return block.empty(); });
  }
  if (text_bytes_ == 0) {
    return absl::InvalidArgumentError(
        Concat("the PDF has no text on its ", pages_.size(), pages_.size() == 1 ? " page" : " pages",
               "; scanned pages must be recognised (OCR) before"));
  }
  // The first and the last block of a page, where they are short.
  const auto running = [](const Page& page) {
    std::set<std::string> forms;
    if (page.blocks.empty()) return forms;
    for (const auto* block : {&page.blocks.front(), &page.blocks.back()}) {
      if (block->size() == 1) forms.insert(RunningForm(block->front()));
    }
    return forms;
  };
  absl::flat_hash_map<std::string, size_t> counts;
  for (const Page& page : pages_) {
    for (const std::string& form : running(page)) ++counts[form];
  }
  const auto is_running = [&](const std::vector<PdfLine>& block) {
    if (block.size() != 1) return false;
    const auto count = counts.find(RunningForm(block.front()));
    return count != counts.end() && count->second >= kRunningPages && count->second * 2 > pages_.size();
  };
  for (Page& page : pages_) {
    if (page.blocks.size() > 1 && is_running(page.blocks.front())) page.blocks.erase(page.blocks.begin());
    if (page.blocks.size() > 1 && is_running(page.blocks.back())) page.blocks.pop_back();
  }
  PdfWriter writer;
  for (const Page& page : pages_) {
    for (const std::vector<PdfLine>& block : page.blocks) writer.Learn(block);
  }
  writer.EndLearning();
  for (size_t i = 0; i < pages_.size(); ++i) {
    for (const std::vector<PdfLine>& block : pages_[i].blocks) writer.Write(static_cast<uint32_t>(i + 1), block);
  }
  return writer.Finish();
}

}  // namespace vouch
