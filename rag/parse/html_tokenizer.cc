#include "rag/parse/html_tokenizer.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace vouch {
namespace {

bool IsHtmlSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'; }

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return absl::ascii_tolower(x) == absl::ascii_tolower(y);
  });
}

// Their content is text up to the end tag, whatever stands in it.
constexpr std::string_view kRawText[] = {"script", "style",   "title",    "textarea", "xmp",
                                         "iframe", "noembed", "noframes", "noscript"};

bool IsRawText(std::string_view name) {
  return std::any_of(std::begin(kRawText), std::end(kRawText), [name](std::string_view raw) {
    return EqualsIgnoreCase(raw, name);
  });
}

}  // namespace

bool HtmlTokenizer::StartsMarkup(uint64_t at) const {
  if (at + 1 >= source_.size()) return false;
  const char next = source_[at + 1];
  return absl::ascii_isalpha(next) || next == '/' || next == '!' || next == '?';
}

HtmlToken HtmlTokenizer::Next() {
  HtmlToken token;
  while (at_ < source_.size()) {
    if (!raw_name_.empty()) {
      token.entities = EqualsIgnoreCase(raw_name_, "title") ||
                       EqualsIgnoreCase(raw_name_, "textarea");
      const uint64_t end = FindRawTextEnd();
      raw_name_ = {};
      token.kind = HtmlToken::Kind::kText;
      token.begin = at_;
      token.end = at_ = end;
      if (token.begin < token.end) return token;
      token.entities = true;
      continue;
    }
    if (source_[at_] == '<' && StartsMarkup(at_)) {
      if (TakeMarkup(&token)) return token;
      continue;
    }
    token.kind = HtmlToken::Kind::kText;
    token.begin = at_;
    do {
      at_ = std::min<uint64_t>(source_.find('<', at_ + 1), source_.size());
    } while (at_ < source_.size() && !StartsMarkup(at_));
    token.end = at_;
    return token;
  }
  token.kind = HtmlToken::Kind::kEnd;
  token.begin = token.end = at_;
  return token;
}

bool HtmlTokenizer::TakeMarkup(HtmlToken* token) {
  if (source_.substr(at_).starts_with("<!--")) {
    SkipComment();
    return false;
  }
  const char next = source_[at_ + 1];
  const bool end_tag = next == '/';
  if (next == '!' || next == '?' ||
      (end_tag && !(at_ + 2 < source_.size() && absl::ascii_isalpha(source_[at_ + 2])))) {
    const uint64_t close = source_.find('>', at_ + 2);
    at_ = close == source_.npos ? source_.size() : close + 1;
    return false;
  }
  token->kind = end_tag ? HtmlToken::Kind::kEndTag : HtmlToken::Kind::kStartTag;
  token->begin = at_;
  return TakeTag(token);
}

bool HtmlTokenizer::TakeTag(HtmlToken* token) {
  const bool end_tag = token->kind == HtmlToken::Kind::kEndTag;
  uint64_t at = at_ + (end_tag ? 2 : 1);
  const uint64_t name_begin = at;
  while (at < source_.size() && !IsHtmlSpace(source_[at]) && source_[at] != '/' &&
         source_[at] != '>') {
    ++at;
  }
  token->name = source_.substr(name_begin, at - name_begin);
  token->class_name = {};
  at_ = at;
  while (at_ < source_.size() && source_[at_] != '>') {
    if (IsHtmlSpace(source_[at_]) || source_[at_] == '/') {
      ++at_;
    } else {
      TakeAttribute(token);
    }
  }
  if (at_ >= source_.size()) return false;  // a tag cut off by the end is no tag
  token->end = ++at_;
  if (!end_tag && IsRawText(token->name)) raw_name_ = token->name;
  return true;
}

void HtmlTokenizer::TakeAttribute(HtmlToken* token) {
  const uint64_t name_begin = at_;
  ++at_;  // a name may start with '='
  while (at_ < source_.size() && !IsHtmlSpace(source_[at_]) && source_[at_] != '/' &&
         source_[at_] != '>' && source_[at_] != '=') {
    ++at_;
  }
  const std::string_view name = source_.substr(name_begin, at_ - name_begin);
  uint64_t at = at_;
  while (at < source_.size() && IsHtmlSpace(source_[at])) ++at;
  if (at >= source_.size() || source_[at] != '=') return;
  ++at;
  while (at < source_.size() && IsHtmlSpace(source_[at])) ++at;
  at_ = at;
  if (at >= source_.size() || source_[at] == '>') return;
  std::string_view value;
  if (source_[at] == '"' || source_[at] == '\'') {
    const uint64_t close = std::min<uint64_t>(source_.find(source_[at], at + 1), source_.size());
    value = source_.substr(at + 1, close - at - 1);
    at_ = std::min<uint64_t>(close + 1, source_.size());
  } else {
    while (at_ < source_.size() && !IsHtmlSpace(source_[at_]) && source_[at_] != '>') ++at_;
    value = source_.substr(at, at_ - at);
  }
  if (token->class_name.empty() && EqualsIgnoreCase(name, "class")) token->class_name = value;
}

void HtmlTokenizer::SkipComment() {
  const uint64_t body = at_ + 4;
  const std::string_view rest = source_.substr(body);
  if (rest.starts_with(">")) {
    at_ = body + 1;
    return;
  }
  if (rest.starts_with("->")) {
    at_ = body + 2;
    return;
  }
  // "-->" may share its dashes with "<!--": "<!--->" is handled above, so the search starts at the body.
  for (uint64_t at = body;; ++at) {
    at = source_.find("--", at);
    if (at == source_.npos) break;
    if (source_.substr(at + 2).starts_with(">")) {
      at_ = at + 3;
      return;
    }
    if (source_.substr(at + 2).starts_with("!>")) {
      at_ = at + 4;
      return;
    }
  }
  at_ = source_.size();
}

uint64_t HtmlTokenizer::FindRawTextEnd() const {
  uint64_t at = at_;
  while (true) {
    at = source_.find("</", at);
    if (at == source_.npos) return source_.size();
    const std::string_view rest = source_.substr(at + 2);
    if (rest.size() > raw_name_.size() && EqualsIgnoreCase(rest.substr(0, raw_name_.size()), raw_name_)) {
      const char after = rest[raw_name_.size()];
      if (IsHtmlSpace(after) || after == '/' || after == '>') return at;
    }
    at += 2;
  }
}

}  // namespace vouch
