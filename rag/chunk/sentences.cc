#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "rag/chunk/chunker.h"

namespace vouch {
namespace {

struct CloseBreaks {
  void operator()(UBreakIterator* breaks) const { ubrk_close(breaks); }
};
struct CloseText {
  void operator()(UText* text) const { utext_close(text); }
};

// ICU's iterators are costly to make and not thread safe. Null where ICU has no rules.
UBreakIterator* SentenceBreaks() {
  thread_local const std::unique_ptr<UBreakIterator, CloseBreaks> breaks = [] {
    UErrorCode error = U_ZERO_ERROR;
    std::unique_ptr<UBreakIterator, CloseBreaks> opened(
        ubrk_open(UBRK_SENTENCE, "en", nullptr, 0, &error));
    return U_SUCCESS(error) ? std::move(opened) : nullptr;
  }();
  return breaks.get();
}

constexpr std::string_view kSpace = " \t\r\n\f\v";

bool IsSpace(char c) { return kSpace.find(c) != kSpace.npos; }
bool IsStop(char c) { return c == '.' || c == '?' || c == '!'; }

// A line that starts a list item, a quote, a heading or a table row goes on with nothing.
bool StartsAnew(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
  if (line.empty() || std::string_view("-*+|#>").find(line.front()) != std::string_view::npos)
    return true;
  if (line.starts_with("•")) return true;
  const size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
  return digits > 0 && digits + 1 < line.size() && (line[digits] == '.' || line[digits] == ')') &&
         IsSpace(line[digits + 1]);
}

// UAX 29 ends a sentence at each line break. One that only wraps a long line is made a space, which
// has as many bytes.
std::string JoinWrappedLines(std::string_view text) {
  constexpr size_t kWrappedLineBytes = 40;
  std::string joined(text);
  size_t line_begin = 0;
  for (size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) {
    const std::string_view line = text.substr(line_begin, at - line_begin);
    const std::string_view next =
        text.substr(at + 1, std::min(text.find('\n', at + 1), text.size()) - at - 1);
    const bool goes_on =
        line.size() >= kWrappedLineBytes && !line.ends_with(':') && !StartsAnew(next);
    if (goes_on) joined[at] = ' ';
    if (goes_on && line.ends_with('\r')) joined[at - 1] = ' ';
    line_begin = at + 1;
  }
  return joined;
}

void AddTrimmed(std::string_view text, uint64_t begin, uint64_t end, std::vector<ByteSpan>* sentences) {
  while (begin < end && IsSpace(text[begin])) ++begin;
  while (end > begin && IsSpace(text[end - 1])) --end;
  if (begin < end) sentences->push_back({begin, end});
}

// Whether the text ends in an abbreviation or an initial whose stop ends no sentence before `next`.
bool EndsInAbbreviation(std::string_view text, char next) {
  constexpr std::string_view kAbbreviations[] = {
      "e.g.", "i.e.",    "cf.",   "vs.",  "viz.",  "al.",  "Mr.",  "Mrs.", "Ms.",
      "Dr.",  "Prof.",   "St.",   "Fig.", "Figs.", "Eq.",  "Eqs.", "Sec.", "Vol.",
      "pp.",  "approx.", "resp.", "z.B.", "d.h.",  "bzw.", "vgl."};
  const size_t space = text.find_last_of(" \t\r\n\f\v([\"'");
  const std::string_view word = text.substr(space == text.npos ? 0 : space + 1);
  if (word == "No." || word == "Nr.") return absl::ascii_isdigit(next);
  if (word.size() == 2 && absl::ascii_isupper(word[0]) && word[1] == '.') return word[0] != 'I';
  return std::find(std::begin(kAbbreviations), std::end(kAbbreviations), word) !=
         std::end(kAbbreviations);
}

// Where a stop ended no sentence.
void MergeParts(std::string_view text, std::vector<ByteSpan>* sentences) {
  size_t kept = 0;
  for (size_t i = 0; i < sentences->size(); ++i) {
    const ByteSpan sentence = (*sentences)[i];
    if (kept > 0) {
      ByteSpan& last = (*sentences)[kept - 1];
      const std::string_view gap = text.substr(last.end, sentence.begin - last.end);
      // "dim?n=3", "a.b!c": a stop inside a word.
      const bool inside_word = gap.empty() && IsStop(text[last.end - 1]);
      if (inside_word) {
        last.end = sentence.end;
        continue;
      }
      if (gap.find('\n') == gap.npos &&
          EndsInAbbreviation(text.substr(last.begin, last.end - last.begin),
                             text[sentence.begin])) {
        last.end = sentence.end;
        continue;
      }
    }
    (*sentences)[kept++] = sentence;
  }
  sentences->resize(kept);
}

// Stops that stand as words of their own, as in texts that were cut into words: "a wing . the
// flow".
bool IsSpacedStop(std::string_view text, size_t at) {
  return IsStop(text[at]) && at > 0 && IsSpace(text[at - 1]) &&
         (at + 1 == text.size() || IsSpace(text[at + 1]));
}

// Whether most stops of the text stand as words.
bool HasSpacedStops(std::string_view text) {
  size_t spaced = 0;
  size_t tight = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (IsSpacedStop(text, at)) {
      ++spaced;
    } else if (IsStop(text[at]) && (at + 1 == text.size() || IsSpace(text[at + 1]))) {
      ++tight;
    }
  }
  return spaced > tight;
}

void CutAtSpacedStops(std::string_view text, std::vector<ByteSpan>* sentences) {
  std::vector<ByteSpan> cut;
  for (const ByteSpan& sentence : *sentences) {
    uint64_t begin = sentence.begin;
    for (uint64_t at = sentence.begin; at < sentence.end; ++at) {
      if (!IsSpacedStop(text, at)) continue;
      AddTrimmed(text, begin, at + 1, &cut);
      begin = at + 1;
    }
    AddTrimmed(text, begin, sentence.end, &cut);
  }
  *sentences = std::move(cut);
}

}  // namespace

std::vector<ByteSpan> SplitSentences(std::string_view text) {
  std::vector<ByteSpan> sentences;
  const std::string joined = JoinWrappedLines(text);
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UText, CloseText> utext(
      utext_openUTF8(nullptr, joined.data(), static_cast<int64_t>(joined.size()), &error));
  UBreakIterator* breaks = SentenceBreaks();
  if (U_FAILURE(error) || breaks == nullptr) {
    AddTrimmed(text, 0, text.size(), &sentences);
    return sentences;
  }
  ubrk_setUText(breaks, utext.get(), &error);
  if (U_FAILURE(error)) {
    AddTrimmed(text, 0, text.size(), &sentences);
    return sentences;
  }
  int32_t begin = ubrk_first(breaks);
  for (int32_t end = ubrk_next(breaks); end != UBRK_DONE; end = ubrk_next(breaks)) {
    AddTrimmed(text, begin, end, &sentences);
    begin = end;
  }
  MergeParts(text, &sentences);
  if (HasSpacedStops(text)) CutAtSpacedStops(text, &sentences);
  return sentences;
}

}  // namespace vouch
