#include "query/filter_lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "query/filter_parser.h"
#include "query/white_space.h"

namespace vouch {
namespace {

constexpr std::array<std::string_view, 7> kKeywords = {"and",    "or",   "not",  "in",
                                                       "exists", "true", "false"};

bool IsKeyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}
bool IsPathStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsPathPart(char c) { return IsPathStart(c) || absl::ascii_isdigit(c) || c == '.'; }

}  // namespace

std::optional<double> MetresOf(std::string_view unit) {
  if (unit == "m") return 1;
  if (unit == "km") return 1'000;
  if (unit == "mi") return 1'609.344;
  return std::nullopt;
}

FilterToken FilterLexer::Next() {
  while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  if (at_ == text_.size()) return {.kind = FilterTokenKind::kEnd, .offset = at_};
  const char c = text_[at_];
  if (c == '\'' || c == '"') return Quoted(c, FilterTokenKind::kText, "text");
  if (c == '`') return Quoted(c, FilterTokenKind::kQuotedPath, "path");
  if (absl::ascii_isdigit(c) || (c == '-' && at_ + 1 < text_.size() && absl::ascii_isdigit(text_[at_ + 1]))) {
    return Number();
  }
  if (IsPathStart(c)) return Word();
  return Symbol();
}

FilterToken FilterLexer::Bad(size_t offset, std::string expected) {
  return {.kind = FilterTokenKind::kBad, .offset = offset, .text = std::move(expected)};
}

FilterToken FilterLexer::Quoted(char quote, FilterTokenKind kind, const char* what) {
  FilterToken token{.kind = kind, .offset = at_};
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] == quote) {
      if (at_ + 1 >= text_.size() || text_[at_ + 1] != quote) {
        ++at_;
        return token;
      }
      ++at_;
    }
    token.text.push_back(text_[at_]);
  }
  return Bad(token.offset,
             absl::StrCat("a closing ", std::string(1, quote), " of the ", what, " begun"));
}

FilterToken FilterLexer::Number() {
  const size_t begin = at_;
  if (text_[at_] == '-') ++at_;
  SkipDigits();
  if (at_ + 1 < text_.size() && text_[at_] == '.' && absl::ascii_isdigit(text_[at_ + 1])) {
    ++at_;
    SkipDigits();
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    if (at_ == text_.size() || !absl::ascii_isdigit(text_[at_])) {
      return Bad(at_, "digits of the number's exponent");
    }
    SkipDigits();
  }
  if (at_ < text_.size() && IsPathPart(text_[at_]) && !AtUnit()) return Bad(at_, "the end of the number");
  return {.kind = FilterTokenKind::kNumber,
          .offset = begin,
          .text = std::string(text_.substr(begin, at_ - begin))};
}

bool FilterLexer::AtUnit() const {
  size_t end = at_;
  while (end < text_.size() && IsPathPart(text_[end])) ++end;
  return MetresOf(text_.substr(at_, end - at_)).has_value();
}

void FilterLexer::SkipDigits() {
  while (at_ < text_.size() && absl::ascii_isdigit(text_[at_])) ++at_;
}

FilterToken FilterLexer::Word() {
  FilterToken token{.kind = FilterTokenKind::kPath, .offset = at_};
  while (at_ < text_.size() && IsPathPart(text_[at_])) token.text.push_back(text_[at_++]);
  std::string lower = absl::AsciiStrToLower(token.text);
  if (IsKeyword(lower)) {
    token.kind = FilterTokenKind::kKeyword;
    token.text = std::move(lower);
  }
  return token;
}

FilterToken FilterLexer::Symbol() {
  constexpr std::array<std::string_view, 10> kSymbols = {"==", "!=", "<=", ">=", "=",
                                                         "<",  ">",  "(",  ")",  ","};
  for (std::string_view symbol : kSymbols) {
    if (text_.substr(at_).starts_with(symbol)) {
      const size_t begin = std::exchange(at_, at_ + symbol.size());
      return {.kind = FilterTokenKind::kSymbol, .offset = begin, .text = std::string(symbol)};
    }
  }
  return Bad(at_, "a path, a value, an operator or a parenthesis");
}

bool IsBareFilterPath(std::string_view path) {
  return !path.empty() && IsPathStart(path[0]) &&
         std::all_of(path.begin(), path.end(), IsPathPart) && path != "id" &&
         !IsKeyword(absl::AsciiStrToLower(std::string(path)));
}

}  // namespace vouch
