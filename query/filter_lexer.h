#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vouch {

enum class FilterTokenKind { kEnd, kPath, kQuotedPath, kKeyword, kNumber, kText, kSymbol, kBad };

struct FilterToken {
  FilterTokenKind kind = FilterTokenKind::kEnd;
  size_t offset = 0;
  // Paths and texts without quotes, keywords in lower case; kBad: what was expected.
  std::string text = {};
};

// Cuts a filter (filter_parser.h) into tokens, one at a time. Borrows the text.
class FilterLexer {
 public:
  explicit FilterLexer(std::string_view text) : text_(text) {}

  FilterToken Next();

 private:
  FilterToken Bad(size_t offset, std::string expected);
  FilterToken Quoted(char quote, FilterTokenKind kind, const char* what);
  FilterToken Number();
  // A distance may be written as "5km".
  bool AtUnit() const;
  void SkipDigits();
  FilterToken Word();
  FilterToken Symbol();

  std::string_view text_;
  size_t at_ = 0;
};

// How many metres a unit of distance ("m", "km", "mi") has.
std::optional<double> MetresOf(std::string_view unit);

}  // namespace vouch
