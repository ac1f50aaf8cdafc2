#include "rag/same_question.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "rag/cite.h"

namespace vouch {
namespace {

constexpr std::string_view kEndMarks = "?!. ";

std::string_view WithoutEnd(std::string_view text, std::string_view marks) {
  while (!text.empty() && marks.find(text.back()) != std::string_view::npos) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return absl::ascii_tolower(x) == absl::ascii_tolower(y);
         });
}

std::string PlainMarks(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kMarks[] = {
      {"\u2018", "'"}, {"\u2019", "'"}, {"\u201C", "\""}, {"\u201D", "\""},
      {"\u201E", "\""}, {"\u2013", "-"}, {"\u2014", "-"}};
  for (const auto& [mark, plain] : kMarks) {
    for (size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1))
      text.replace(at, mark.size(), plain);
  }
  return text;
}

// A greeting needs its comma: "hi" alone may be what is asked for.
std::string_view WithoutCourtesy(std::string_view text) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view word : {"hello, ", "hi, ", "hallo, ", "please ", "please, ",
                                        "bitte ", "bitte, "}) {
      if (text.size() <= word.size() || !EqualsIgnoreCase(text.substr(0, word.size()), word))
        continue;
      text.remove_prefix(word.size());
      again = true;
    }
    for (const std::string_view word : {", please", ", bitte", ", thanks", ", danke"}) {
      if (text.size() <= word.size() ||
          !EqualsIgnoreCase(text.substr(text.size() - word.size()), word)) {
        continue;
      }
      text = WithoutEnd(text.substr(0, text.size() - word.size()), kEndMarks);
      again = true;
    }
  }
  return text;
}

// "What" is "what" at the beginning; "NASA" and "McCoy" stay.
std::string WithPlainBeginning(std::string_view text) {
  std::string plain(text);
  const size_t end = std::min(plain.find(' '), plain.size());
  const auto letter = [&plain](size_t i) { return static_cast<unsigned char>(plain[i]); };
  if (end < 2 || !absl::ascii_isupper(letter(0))) return plain;
  for (size_t i = 1; i < end; ++i) {
    if (!absl::ascii_islower(letter(i))) return plain;
  }
  plain[0] = absl::ascii_tolower(letter(0));
  return plain;
}

}  // namespace

std::string CanonicalQuestion(std::string_view question, bool similar) {
  std::string collapsed = CollapseSpace(question);
  if (similar) collapsed = PlainMarks(std::move(collapsed));
  std::string_view text = WithoutEnd(collapsed, kEndMarks);
  if (similar) text = WithoutCourtesy(text);
  return WithPlainBeginning(text);
}

}  // namespace vouch
