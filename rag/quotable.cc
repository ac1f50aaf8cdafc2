#include "rag/quotable.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "rag/chunk/chunker.h"
#include "rag/parse/plain_text.h"

namespace vouch {
namespace {

constexpr size_t kMaxSentenceBytes = 600;
constexpr size_t kMinWords = 3;
constexpr double kMinLetters = 0.6;  // of what is no space

// Quotes and brackets that may follow a stop.
constexpr std::string_view kClosers[] = {"\"", "'", ")", "]", "}", "»", "”", "’", "）", "」", "』"};
constexpr std::string_view kStops[] = {".", "!", "?", "。", "！", "？", "।", "؟"};

bool IsWide(std::string_view text) {
  // Lead bytes from U+3000 on: scripts that set no spaces between words.
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xE3 && byte <= 0xED;
  });
}

template <size_t n>
bool StripOneOf(const std::string_view (&ends)[n], std::string_view* text) {
  for (const std::string_view end : ends) {
    if (!text->ends_with(end)) continue;
    text->remove_suffix(end.size());
    return true;
  }
  return false;
}

bool EndsInStop(std::string_view text) {
  while (StripOneOf(kClosers, &text)) {
  }
  if (text.ends_with("..") || text.ends_with("…")) return false;
  return StripOneOf(kStops, &text);
}

size_t CountWords(std::string_view text) {
  size_t words = 0;
  bool inside = false;
  for (const char c : text) {
    // A stop or a dash alone is no word.
    const bool part = absl::ascii_isalnum(c) || static_cast<unsigned char>(c) >= 0x80;
    if (part && !inside) ++words;
    if (part) inside = true;
    if (absl::ascii_isspace(c)) inside = false;
  }
  return words;
}

bool IsMostlyLetters(std::string_view text) { return ShareOfLetters(text) >= kMinLetters; }

bool ClosesBrackets(std::string_view text) {
  constexpr size_t kLabelBytes = 4;  // "a)", "12)"
  int open = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') ++open;
    if (text[i] == ')' && (open > 0 || i >= kLabelBytes)) --open;
    if (open < 0) return false;
  }
  return open == 0;
}

// After "- ", "* ", "• " and the like of lists in plain text.
uint64_t SkipMarker(std::string_view text, ByteSpan sentence) {
  const std::string_view line = text.substr(sentence.begin, sentence.end - sentence.begin);
  for (const std::string_view marker : {"-", "*", "+", "•", "–", "—"}) {
    if (!line.starts_with(marker) || line.size() == marker.size() ||
        !absl::ascii_isspace(line[marker.size()]))
      continue;
    return sentence.begin + std::min(line.find_first_not_of(" \t\r\n", marker.size()), line.size());
  }
  return sentence.begin;
}

void AddSentences(std::string_view text, ByteSpan block, std::vector<ByteSpan>* sentences) {
  for (ByteSpan sentence : SplitSentences(text.substr(block.begin, block.end - block.begin))) {
    sentence = {sentence.begin + block.begin, sentence.end + block.begin};
    sentence.begin = SkipMarker(text, sentence);
    if (IsWholeSentence(text.substr(sentence.begin, sentence.end - sentence.begin)))
      sentences->push_back(sentence);
  }
}

// The only paragraph of a text, where it is one line of prose without a stop.
void AddOnlyParagraph(std::string_view text, const std::vector<Block>& blocks,
                      std::vector<ByteSpan>* sentences) {
  const Block* only = nullptr;
  for (const Block& block : blocks) {
    if (block.kind == Block::Kind::kHeading) continue;
    if (only != nullptr || block.kind != Block::Kind::kParagraph) return;
    only = &block;
  }
  if (only == nullptr || only->begin >= only->end || only->end > text.size()) return;
  const std::string_view line = text.substr(only->begin, only->end - only->begin);
  const bool plain = line.size() <= kMaxSentenceBytes && line.find('\n') == line.npos &&
                     !line.ends_with(':') && !EndsInStop(line) && CountWords(line) >= kMinWords &&
                     IsMostlyLetters(line);
  if (plain && SplitSentences(line).size() == 1) sentences->push_back({only->begin, only->end});
}

}  // namespace

double ShareOfLetters(std::string_view text) {
  size_t letters = 0;
  size_t others = 0;
  for (const char c : text) {
    if (absl::ascii_isspace(c)) continue;
    ++(absl::ascii_isalpha(c) || static_cast<unsigned char>(c) >= 0x80 ? letters : others);
  }
  return letters == 0 ? 0 : static_cast<double>(letters) / static_cast<double>(letters + others);
}

bool IsWholeSentence(std::string_view sentence) {
  if (sentence.empty() || sentence.size() > kMaxSentenceBytes) return false;
  if (!EndsInStop(sentence)) return false;
  if (sentence.find(" | ") != sentence.npos) return false;
  if (std::string_view(",;:.)]}|=").find(sentence.front()) != std::string_view::npos) return false;
  if (CountWords(sentence) < kMinWords && !IsWide(sentence)) return false;
  return IsMostlyLetters(sentence) && ClosesBrackets(sentence);
}

std::vector<ByteSpan> QuotableSentences(std::string_view text,
                                        const std::optional<std::vector<Block>>& known) {
  std::vector<ByteSpan> sentences;
  const std::vector<Block> blocks = known ? *known : FindParagraphs(text);
  for (const Block& block : blocks) {
    const bool prose =
        block.kind == Block::Kind::kParagraph || block.kind == Block::Kind::kListItem;
    if (prose && block.begin < block.end && block.end <= text.size()) {
      AddSentences(text, {block.begin, block.end}, &sentences);
    }
  }
  if (sentences.empty()) AddOnlyParagraph(text, blocks, &sentences);
  return sentences;
}

}  // namespace vouch
