#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <memory>
#include <string>

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

// UAX 29 ends a sentence at each line break. One inside a wrapped sentence is made a space, which has as many bytes.
std::string JoinWrappedLines(std::string_view text) {
  constexpr size_t kWrappedLineBytes = 40;
  std::string joined(text);
  size_t line_begin = 0;
  for (size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) {
    const bool wrapped = at - line_begin >= kWrappedLineBytes && at + 1 < text.size() &&
                         (absl::ascii_islower(text[at + 1]) || text[at + 1] == '(');
    if (wrapped) joined[at] = ' ';
    line_begin = at + 1;
  }
  return joined;
}

void AddTrimmed(std::string_view text, uint64_t begin, uint64_t end, std::vector<ByteSpan>* sentences) {
  while (begin < end && absl::ascii_isspace(text[begin])) ++begin;
  while (end > begin && absl::ascii_isspace(text[end - 1])) --end;
  if (begin < end) sentences->push_back({begin, end});
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
  return sentences;
}

}  // namespace vouch
