#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/document.h"

namespace vouch {

// A line of a page as pdftotext found it; lengths in points, from the page's upper left corner.
struct PdfLine {
  std::string text = {};
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
  double height = 0;  // of its tallest word, which goes with the size of the letters
};

// Reads the boxes that `pdftotext -bbox-layout` prints (pages of flows of blocks of lines of words) as they come, and makes
// of them a text in reading order:
//  - A line that ends in a hyphen is joined with the next one; the hyphen goes, unless the word stands elsewhere with it.
//  - Lines in clearly larger letters than most of the text are headings, their sizes giving the levels.
//  - A line that begins with a bullet or a number is a list item.
//  - A paragraph goes on over the page's end where it ends in no stop and the next one begins with a small letter.
//  - Lines at the top or bottom that most pages have, numbers apart, are running heads and left out.
//
// Works on any bytes, in linear time. Not thread safe.
class PdfLayout {
 public:
  static constexpr uint32_t kMaxPages = 5'000;
  static constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;

  // A piece of the program's output. RESOURCE_EXHAUSTED: more pages or text than the limits; it names them.
  absl::Status Add(std::string_view piece);
  // INVALID_ARGUMENT: no page has text.
  absl::StatusOr<ParsedDocument> Finish();

 private:
  struct Page {
    std::vector<std::vector<PdfLine>> blocks;
  };

  absl::Status TakeLine(std::string_view line);
  void TakeWord(std::string_view line);

  std::string rest_;  // the last line, as far as it has come
  std::vector<Page> pages_;
  uint64_t text_bytes_ = 0;
};

}  // namespace vouch
