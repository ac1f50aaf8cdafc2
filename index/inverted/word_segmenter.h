#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct UBreakIterator;
struct UText;

namespace vouch {

// A word of a text: bytes [begin, end).
struct WordSpan {
  uint32_t begin = 0;
  uint32_t end = 0;
  bool ascii = false;  // all of its bytes are ASCII
  friend bool operator==(const WordSpan&, const WordSpan&) = default;
};

// Cuts UTF-8 text into words by ICU's word rules (Unicode UAX 29, with ICU's dictionaries for
// scripts without spaces); only segments with a letter or a number are words.
//
// A text is cut at ASCII white space first, which no rule of UAX 29 spans; pieces of ASCII alone go
// through a table that is asked of ICU at creation, the others through ICU. So the words are those
// that ICU finds over the whole text (tested), at several times its speed. One difference is on
// purpose: "@" always parts words, as UAX 29 says; ICU 72 alone joins there.
//
// Thread safety: one thread at a time.
class WordSegmenter {
 public:
  // INTERNAL where ICU's data is missing.
  static absl::StatusOr<std::unique_ptr<WordSegmenter>> Create();
  ~WordSegmenter();
  WordSegmenter(const WordSegmenter&) = delete;
  WordSegmenter& operator=(const WordSegmenter&) = delete;

  // Replaces `words` by the words of `text`, in order. Bytes that are not UTF-8 part words. At most
  // the first 2^31 - 1 bytes are looked at.
  void Segment(std::string_view text, std::vector<WordSpan>* words);

 private:
  WordSegmenter() = default;
  absl::Status ProbeAsciiRules();
  // Whether ICU takes all of `text` as one segment.
  bool IsOneSegment(std::string_view text);
  void SegmentAscii(std::string_view text, uint32_t begin, uint32_t end,
                    std::vector<WordSpan>* words) const;
  void SegmentUnicode(std::string_view text, uint32_t begin, uint32_t end,
                      std::vector<WordSpan>* words);

  UBreakIterator* iterator_ = nullptr;
  UText* source_ = nullptr;
  std::array<uint8_t, 128> ascii_classes_{};
};

}  // namespace vouch
