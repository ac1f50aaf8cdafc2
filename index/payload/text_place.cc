#include "index/payload/text_place.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

size_t CountCodePoints(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

}  // namespace

TextPlace FindTextPlace(std::string_view text, size_t offset) {
  constexpr size_t kWindowBytes = 60;
  offset = std::min(offset, text.size());
  const size_t newline = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
  const size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  const size_t end = std::min(text.find('\n', offset), text.size());
  const auto line_number =
      std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(begin), '\n') + 1;
  const size_t column = CountCodePoints(text.substr(begin, offset - begin)) + 1;

  size_t from = offset - begin > kWindowBytes ? offset - kWindowBytes : begin;
  while (from > begin && IsContinuation(text[from])) --from;
  size_t to = end - offset > kWindowBytes ? offset + kWindowBytes : end;
  while (to < end && IsContinuation(text[to])) ++to;
  std::string line(text.substr(from, to - from));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  const std::string before = from > begin ? "…" : "";
  const std::string after = to < end ? "…" : "";
  const size_t indent = CountCodePoints(text.substr(from, offset - from)) + (from > begin ? 1 : 0);
  TextPlace place;
  place.where = line_number == 1 ? absl::StrCat("at column ", column)
                                 : absl::StrCat("at line ", line_number, ", column ", column);
  place.picture = absl::StrCat("  ", before, line, after, "\n  ", std::string(indent, ' '), "^");
  return place;
}

}  // namespace vouch
