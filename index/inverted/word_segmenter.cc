#include "index/inverted/word_segmenter.h"

#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr size_t kMaxTextBytes = 0x7fffffff;

// What an ASCII character does in a word. Word characters join with each other; a mid character
// joins two letters, or two digits (rules WB6, WB7, WB11 and WB12).
enum AsciiClass : uint8_t {
  kWord = 1,
  kLetter = 2,
  kDigit = 4,
  kMidLetter = 8,
  kMidNumber = 16,
};

bool IsSeparator(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '@'; }

bool IsAlphanumeric(UChar32 c) {
  return (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0 ||
         u_hasBinaryProperty(c, UCHAR_ALPHABETIC);
}

bool HasAlphanumeric(std::string_view text) {
  const int32_t size = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    if (c >= 0 && IsAlphanumeric(c)) return true;
  }
  return false;
}

// The end of the run of `text` from `begin` on that holds no separator; sets whether the run is all
// ASCII.
size_t FindRunEnd(std::string_view text, size_t begin, bool* ascii) {
  uint8_t bits = 0;
  size_t end = begin;
  while (end < text.size() && !IsSeparator(text[end])) bits |= static_cast<uint8_t>(text[end++]);
  *ascii = bits < 0x80;
  return end;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WordSegmenter>> WordSegmenter::Create() {
  std::unique_ptr<WordSegmenter> segmenter(new WordSegmenter());
  UErrorCode error = U_ZERO_ERROR;
  segmenter->iterator_ = ubrk_open(UBRK_WORD, "root", nullptr, 0, &error);
  if (U_FAILURE(error)) {
    return absl::InternalError(
        absl::StrCat("ICU cannot open its word rules: ", u_errorName(error)));
  }
  if (absl::Status probed = segmenter->ProbeAsciiRules(); !probed.ok()) return probed;
  return segmenter;
}

WordSegmenter::~WordSegmenter() {
  ubrk_close(iterator_);
  utext_close(source_);
}

bool WordSegmenter::IsOneSegment(std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  source_ = utext_openUTF8(source_, text.data(), static_cast<int64_t>(text.size()), &error);
  ubrk_setUText(iterator_, source_, &error);
  if (U_FAILURE(error)) return false;
  return ubrk_next(iterator_) == static_cast<int32_t>(text.size());
}

absl::Status WordSegmenter::ProbeAsciiRules() {
  for (int i = 0; i < 128; ++i) {
    const char c = static_cast<char>(i);
    if (IsSeparator(c)) continue;
    uint8_t bits = 0;
    if (IsOneSegment(std::string{'a', c})) {
      bits |= kWord;
      if (IsOneSegment(std::string{'a', '\'', c})) bits |= kLetter;
      if (IsOneSegment(std::string{'1', '.', c})) bits |= kDigit;
    } else {
      if (IsOneSegment(std::string{'a', c, 'a'})) bits |= kMidLetter;
      if (IsOneSegment(std::string{'1', c, '1'})) bits |= kMidNumber;
    }
    ascii_classes_[static_cast<size_t>(i)] = bits;
  }
  if (ascii_classes_['a'] != (kWord | kLetter) || ascii_classes_['1'] != (kWord | kDigit)) {
    return absl::InternalError("ICU's word rules do not know ASCII letters and digits");
  }
  return absl::OkStatus();
}

void WordSegmenter::Segment(std::string_view text, std::vector<WordSpan>* words) {
  words->clear();
  text = text.substr(0, kMaxTextBytes);
  size_t begin = 0;
  while (begin < text.size()) {
    if (IsSeparator(text[begin])) {
      ++begin;
      continue;
    }
    bool ascii = false;
    size_t end = FindRunEnd(text, begin, &ascii);
    if (ascii) {
      SegmentAscii(text, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), words);
      begin = end;
      continue;
    }
    // Runs that follow and are not ASCII either go to ICU in one piece: its set-up costs more than
    // a word.
    while (end < text.size() && text[end] == ' ') {
      const size_t next_end = FindRunEnd(text, end + 1, &ascii);
      if (ascii) break;
      end = next_end;
    }
    SegmentUnicode(text, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), words);
    begin = end;
  }
}

void WordSegmenter::SegmentAscii(std::string_view text, uint32_t begin, uint32_t end,
                                 std::vector<WordSpan>* words) const {
  const auto class_at = [&](uint32_t i) {
    return i < end ? ascii_classes_[static_cast<uint8_t>(text[i])] : uint8_t{0};
  };
  uint32_t i = begin;
  while (i < end) {
    if (!(class_at(i) & kWord)) {
      ++i;
      continue;
    }
    const uint32_t word = i;
    uint8_t seen = 0;
    while (true) {
      while (class_at(i) & kWord) seen |= class_at(i++);
      const uint8_t before = class_at(i - 1);
      const uint8_t after = class_at(i + 1);
      const uint8_t middle = class_at(i);
      const bool joins = ((middle & kMidLetter) && (before & after & kLetter)) ||
                         ((middle & kMidNumber) && (before & after & kDigit));
      if (!joins) break;
      ++i;
    }
    if (seen & (kLetter | kDigit)) words->push_back({.begin = word, .end = i, .ascii = true});
  }
}

void WordSegmenter::SegmentUnicode(std::string_view text, uint32_t begin, uint32_t end,
                                   std::vector<WordSpan>* words) {
  UErrorCode error = U_ZERO_ERROR;
  source_ = utext_openUTF8(source_, text.data() + begin, static_cast<int64_t>(end - begin), &error);
  ubrk_setUText(iterator_, source_, &error);
  if (U_FAILURE(error)) return;
  uint32_t previous = begin;
  for (int32_t next = ubrk_next(iterator_); next != UBRK_DONE; next = ubrk_next(iterator_)) {
    const uint32_t boundary = begin + static_cast<uint32_t>(next);
    const uint32_t from = previous;
    previous = boundary;
    if (ubrk_getRuleStatus(iterator_) < UBRK_WORD_NUMBER) continue;
    const std::string_view word = text.substr(from, boundary - from);
    if (!HasAlphanumeric(word)) continue;
    const bool ascii = std::all_of(word.begin(), word.end(),
                                   [](char c) { return static_cast<uint8_t>(c) < 0x80; });
    words->push_back({.begin = from, .end = boundary, .ascii = ascii});
  }
}

}  // namespace vouch
