#include "rag/answer_words.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "rag/cite.h"

namespace vouch {
namespace {

bool IsWordByte(char c) { return absl::ascii_isalnum(c) || static_cast<unsigned char>(c) >= 0x80; }

// Calls `visit` with each word and where it begins. Marks of punctuation above ASCII must be plain.
template <typename Visit>
void ForEachWord(std::string_view text, Visit visit) {
  for (size_t begin = 0; begin < text.size();) {
    if (!IsWordByte(text[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < text.size() &&
           (IsWordByte(text[end]) || ((text[end] == '-' || text[end] == '\'') &&
                                      end + 1 < text.size() && IsWordByte(text[end + 1])))) {
      ++end;
    }
    visit(text.substr(begin, end - begin), begin);
    begin = end;
  }
}

std::string_view WithoutPossessive(std::string_view word) {
  if (word.ends_with("'s")) word.remove_suffix(2);
  return word;
}

bool IsMixed(std::string_view word) {
  const bool digit = std::any_of(word.begin(), word.end(), absl::ascii_isdigit);
  const bool letter = std::any_of(word.begin(), word.end(), absl::ascii_isalpha);
  const bool inner_capital =
      word.size() > 1 && std::any_of(word.begin() + 1, word.end(), absl::ascii_isupper);
  return inner_capital || (digit && letter);
}

// The sign of a sentence's end before a word, quotation marks and brackets apart.
bool BeginsSentence(std::string_view text, size_t at) {
  while (at > 0 && std::string_view(" \t\n\r\"'(").find(text[at - 1]) != std::string_view::npos)
    --at;
  return at == 0 || std::string_view(".!?:;").find(text[at - 1]) != std::string_view::npos;
}

}  // namespace

std::string Lowered(std::string_view text) {
  std::string lower(text);
  absl::AsciiStrToLower(&lower);
  return lower;
}

std::string PlainQuotationMarks(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 7> kMarks = {{
      {"\xE2\x80\x9C", '"'},  // “
      {"\xE2\x80\x9D", '"'},  // ”
      {"\xE2\x80\x9E", '"'},  // „
      {"\xC2\xAB", '"'},      // «
      {"\xC2\xBB", '"'},      // »
      {"\xE2\x80\x98", '\''},
      {"\xE2\x80\x99", '\''},
  }};
  std::string plain;
  while (!text.empty()) {
    const auto mark = std::find_if(kMarks.begin(), kMarks.end(), [&](const auto& candidate) {
      return text.starts_with(candidate.first);
    });
    plain += mark == kMarks.end() ? text.front() : mark->second;
    text.remove_prefix(mark == kMarks.end() ? 1 : mark->first.size());
  }
  return plain;
}

std::set<std::string> WordsIn(std::string_view text) {
  std::set<std::string> words;
  ForEachWord(PlainQuotationMarks(text), [&](std::string_view word, size_t) {
    words.insert(Lowered(WithoutPossessive(word)));
  });
  return words;
}

std::vector<std::string> NamesIn(std::string_view text, bool capitals) {
  std::vector<std::string> names;
  const std::string plain = PlainQuotationMarks(text);
  ForEachWord(plain, [&](std::string_view word, size_t at) {
    const std::string_view name = WithoutPossessive(word);
    const bool capital = capitals && name.size() > 1 && absl::ascii_isupper(name.front()) &&
                         !BeginsSentence(plain, at);
    if (capital || IsMixed(name)) names.emplace_back(name);
  });
  return names;
}

std::set<std::string> NumbersIn(std::string_view text) {
  std::set<std::string> numbers;
  for (size_t at = 0; at < text.size();) {
    if (!absl::ascii_isdigit(text[at])) {
      ++at;
      continue;
    }
    std::string number;
    while (at < text.size()) {
      const bool more = at + 1 < text.size() && absl::ascii_isdigit(text[at + 1]);
      if (absl::ascii_isdigit(text[at]) || (more && (text[at] == '.' || text[at] == ':'))) {
        number += text[at++];
      } else if (more && text[at] == ',') {
        size_t digits = at + 1;
        while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
        if (digits - at - 1 != 3) break;
        ++at;
      } else {
        break;
      }
    }
    numbers.insert(std::move(number));
  }
  return numbers;
}

std::vector<std::string> QuotationsIn(std::string_view text, size_t min_words) {
  std::vector<std::string> quotations;
  const std::string plain = PlainQuotationMarks(text);
  size_t begin = plain.find('"');
  while (begin != std::string::npos) {
    const size_t end = plain.find('"', begin + 1);
    if (end == std::string::npos) break;
    std::string inside = CollapseSpace(std::string_view(plain).substr(begin + 1, end - begin - 1));
    size_t words = 0;
    ForEachWord(inside, [&](std::string_view, size_t) { ++words; });
    // The full stop may be the answer's own.
    while (!inside.empty() &&
           std::string_view(".,;").find(inside.back()) != std::string_view::npos) {
      inside.pop_back();
    }
    if (words >= min_words) quotations.push_back(std::move(inside));
    begin = plain.find('"', end + 1);
  }
  return quotations;
}

bool Denies(std::string_view text) {
  static const std::set<std::string, std::less<>> kWords = {
      "not",     "no",     "never",   "none",    "neither", "nor",
      "without", "cannot", "nobody",  "nothing", "nowhere", "nicht",
      "nichts",  "nie",    "niemals", "ohne",    "weder",   "niemand"};
  for (const std::string& word : WordsIn(text)) {
    if (kWords.contains(word) || word.ends_with("n't") || word == "kein" ||
        (word.starts_with("keine") && word.size() <= 6)) {
      return true;
    }
  }
  return false;
}

size_t ListSignEnd(std::string_view text, size_t at) {
  size_t end = at;
  if (text[end] == '-' || text[end] == '*') {
    ++end;
  } else {
    while (end < text.size() && absl::ascii_isdigit(text[end])) ++end;
    if (end == at || end - at > 3 || end == text.size() || (text[end] != '.' && text[end] != ')')) {
      return 0;
    }
    ++end;
  }
  return end < text.size() && text[end] == ' ' ? end + 1 : 0;
}

}  // namespace vouch
