#include "query/filter_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "index/payload/quoted.h"
#include "index/payload/text_place.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

enum class TokenKind { kEnd, kPath, kQuotedPath, kKeyword, kNumber, kText, kSymbol, kBad };

struct FilterToken {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;
  // Paths and texts without quotes, keywords in lower case; kBad: what was expected.
  std::string text = {};
};

constexpr std::array<std::string_view, 7> kKeywords = {"and",    "or",   "not",  "in",
                                                       "exists", "true", "false"};

bool IsKeyword(std::string_view word) {
  return std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end();
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsPathStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsPathPart(char c) { return IsPathStart(c) || IsDigit(c) || c == '.'; }
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Cuts a filter into tokens, one at a time.
class FilterLexer {
 public:
  explicit FilterLexer(std::string_view text) : text_(text) {}

  FilterToken Next() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    if (at_ == text_.size()) return {.kind = TokenKind::kEnd, .offset = at_};
    const char c = text_[at_];
    if (c == '\'' || c == '"') return Quoted(c, TokenKind::kText, "text");
    if (c == '`') return Quoted(c, TokenKind::kQuotedPath, "path");
    if (IsDigit(c) || (c == '-' && at_ + 1 < text_.size() && IsDigit(text_[at_ + 1]))) {
      return Number();
    }
    if (IsPathStart(c)) return Word();
    return Symbol();
  }

 private:
  FilterToken Bad(size_t offset, std::string expected) {
    return {.kind = TokenKind::kBad, .offset = offset, .text = std::move(expected)};
  }

  FilterToken Quoted(char quote, TokenKind kind, const char* what) {
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

  FilterToken Number() {
    const size_t begin = at_;
    if (text_[at_] == '-') ++at_;
    SkipDigits();
    if (at_ + 1 < text_.size() && text_[at_] == '.' && IsDigit(text_[at_ + 1])) {
      ++at_;
      SkipDigits();
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (at_ == text_.size() || !IsDigit(text_[at_])) {
        return Bad(at_, "digits of the number's exponent");
      }
      SkipDigits();
    }
    if (at_ < text_.size() && IsPathPart(text_[at_])) return Bad(at_, "the end of the number");
    return {.kind = TokenKind::kNumber,
            .offset = begin,
            .text = std::string(text_.substr(begin, at_ - begin))};
  }
  void SkipDigits() {
    while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
  }

  FilterToken Word() {
    FilterToken token{.kind = TokenKind::kPath, .offset = at_};
    while (at_ < text_.size() && IsPathPart(text_[at_])) token.text.push_back(text_[at_++]);
    std::string lower = absl::AsciiStrToLower(token.text);
    if (IsKeyword(lower)) {
      token.kind = TokenKind::kKeyword;
      token.text = std::move(lower);
    }
    return token;
  }

  FilterToken Symbol() {
    constexpr std::array<std::string_view, 10> kSymbols = {"==", "!=", "<=", ">=", "=",
                                                           "<",  ">",  "(",  ")",  ","};
    for (std::string_view symbol : kSymbols) {
      if (text_.substr(at_).starts_with(symbol)) {
        const size_t begin = std::exchange(at_, at_ + symbol.size());
        return {.kind = TokenKind::kSymbol, .offset = begin, .text = std::string(symbol)};
      }
    }
    return Bad(at_, "a path, a value, an operator or a parenthesis");
  }

  std::string_view text_;
  size_t at_ = 0;
};

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Recursive descent over the grammar of filter_parser.h. Every parse function answers false after
// an error, which is kept.
class FilterParser {
 public:
  explicit FilterParser(std::string_view text)
      : source_(std::make_shared<const std::string>(text)), text_(*source_), lexer_(text_) {
    Advance();
  }

  absl::StatusOr<Filter> Run() {
    Node node;
    if (!ParseOr(&node, 1)) return error_;
    if (token_.kind != TokenKind::kEnd) {
      Expected("'and', 'or' or the end");
      return error_;
    }
    return std::move(node.filter);
  }

 private:
  struct Node {
    Filter filter;
    size_t depth = 1;
  };

  void Advance() { token_ = lexer_.Next(); }
  bool IsSymbol(std::string_view symbol) const {
    return token_.kind == TokenKind::kSymbol && token_.text == symbol;
  }
  bool IsWord(std::string_view keyword) const {
    return token_.kind == TokenKind::kKeyword && token_.text == keyword;
  }

  bool Fail(size_t offset, const std::string& problem) {
    const TextPlace place = FindTextPlace(text_, offset);
    error_ = absl::InvalidArgumentError(
        absl::StrCat("filter: ", problem, " ", place.where, "\n", place.picture));
    return false;
  }
  bool Expected(const std::string& what) {
    const std::string wanted = token_.kind == TokenKind::kBad ? token_.text : what;
    return Fail(token_.offset, absl::StrCat("expected ", wanted, ", found ", Found()));
  }
  std::string Found() const {
    switch (token_.kind) {
      case TokenKind::kEnd:
        return "the end";
      case TokenKind::kPath:
      case TokenKind::kQuotedPath:
        return absl::StrCat("the path ", Quoted(token_.text));
      case TokenKind::kText:
        return absl::StrCat("the text ", Quoted(token_.text));
      case TokenKind::kNumber:
        return absl::StrCat("the number ", token_.text.substr(0, 64));
      case TokenKind::kKeyword:
      case TokenKind::kSymbol:
        return Quoted(token_.text);
      case TokenKind::kBad:
        break;
    }
    if (token_.offset >= text_.size()) return "the end";
    size_t size = 1;
    while (token_.offset + size < text_.size() && IsContinuation(text_[token_.offset + size])) {
      ++size;
    }
    return Quoted(text_.substr(token_.offset, size));
  }

  // Puts a node above others; `offset` is where its operator stands.
  bool CheckDepth(size_t depth, size_t offset) {
    if (depth <= FilterLimits::kMaxDepth) return true;
    return Fail(offset,
                absl::StrCat("conditions nested more than ", FilterLimits::kMaxDepth, " deep"));
  }

  bool ParseOr(Node* node, size_t nesting) {
    return ParseChain("or", FilterOp::kOr, node, [&](Node* child) {
      return ParseChain("and", FilterOp::kAnd, child,
                        [&](Node* grandchild) { return ParseUnary(grandchild, nesting); });
    });
  }

  // Operands joined by `keyword` become one node; a lone one stays as it is.
  template <typename ParseOperand>
  bool ParseChain(std::string_view keyword, FilterOp op, Node* node, ParseOperand parse_operand) {
    if (!parse_operand(node)) return false;
    if (!IsWord(keyword)) return true;
    Node chain{.filter = {.op = op}, .depth = node->depth + 1};
    chain.filter.children.push_back(std::move(node->filter));
    while (IsWord(keyword)) {
      const size_t offset = token_.offset;
      Advance();
      Node operand;
      if (!parse_operand(&operand)) return false;
      chain.depth = std::max(chain.depth, operand.depth + 1);
      if (!CheckDepth(chain.depth, offset)) return false;
      chain.filter.children.push_back(std::move(operand.filter));
    }
    *node = std::move(chain);
    return true;
  }

  bool ParseUnary(Node* node, size_t nesting) {
    const size_t offset = token_.offset;
    if (!IsWord("not") && !IsSymbol("(")) return ParsePredicate(node);
    if (!CheckDepth(nesting + 1, offset)) return false;
    if (IsWord("not")) {
      Advance();
      Node child;
      if (!ParseUnary(&child, nesting + 1)) return false;
      return Negate(std::move(child), offset, node);
    }
    Advance();
    if (!ParseOr(node, nesting + 1)) return false;
    if (!IsSymbol(")")) return Expected("'and', 'or' or ')'");
    Advance();
    return true;
  }

  bool Negate(Node child, size_t offset, Node* node) {
    node->depth = child.depth + 1;
    node->filter = {.op = FilterOp::kNot};
    node->filter.children.push_back(std::move(child.filter));
    return CheckDepth(node->depth, offset);
  }

  bool ParsePredicate(Node* node) {
    if (IsWord("true") || IsWord("false")) {
      node->filter = {.op = IsWord("true") ? FilterOp::kAnd : FilterOp::kOr};
      Advance();
      return true;
    }
    const bool quoted = token_.kind == TokenKind::kQuotedPath;
    if (!quoted && token_.kind != TokenKind::kPath) return Expected("a condition");
    if (token_.text.empty()) return Fail(token_.offset, "a path is empty");
    const std::string path = std::exchange(token_.text, {});
    const FilterOrigin origin{.text = source_, .path = static_cast<uint32_t>(token_.offset)};
    Advance();
    if (path == "id" && !quoted) return ParseIdPredicate(node);

    const size_t offset = token_.offset;
    if (IsWord("exists")) {
      Advance();
      node->filter = {.op = FilterOp::kExists, .path = path, .origin = origin};
      return true;
    }
    const bool negated = IsWord("not");
    if (negated) Advance();
    if (IsWord("in")) {
      Node in{.filter = {.op = FilterOp::kIn, .path = path, .origin = origin}};
      if (!ParseList(false, &in.filter)) return false;
      if (negated) return Negate(std::move(in), offset, node);
      *node = std::move(in);
      return true;
    }
    if (negated) return Expected("'in'");
    FilterOp op = FilterOp::kEq;
    if (!ReadComparison(&op)) {
      node->filter = {.op = FilterOp::kEq, .path = path, .values = {true}, .origin = origin};
      return true;
    }
    node->filter = {.op = op, .path = path, .origin = origin};
    return ParseLiteral(false, &node->filter);
  }

  bool ParseIdPredicate(Node* node) {
    const size_t offset = token_.offset;
    node->filter = {.op = FilterOp::kHasId};
    bool negated = IsWord("not");
    if (negated) Advance();
    if (IsWord("in")) {
      if (!ParseList(true, &node->filter)) return false;
    } else {
      FilterOp op = FilterOp::kEq;
      const FilterToken comparison = token_;
      const bool equality =
          !negated && ReadComparison(&op) && (op == FilterOp::kEq || op == FilterOp::kNe);
      if (!equality) {
        if (!negated) token_ = comparison;
        return Expected(negated ? "'in'" : "'=', '!=', 'in' or 'not in' after id");
      }
      negated = op == FilterOp::kNe;
      if (!ParseLiteral(true, &node->filter)) return false;
    }
    if (!negated) return true;
    return Negate(std::exchange(*node, Node()), offset, node);
  }

  bool ReadComparison(FilterOp* op) {
    constexpr std::array<std::pair<std::string_view, FilterOp>, 7> kComparisons = {
        {{"=", FilterOp::kEq},
         {"==", FilterOp::kEq},
         {"!=", FilterOp::kNe},
         {"<", FilterOp::kLt},
         {"<=", FilterOp::kLe},
         {">", FilterOp::kGt},
         {">=", FilterOp::kGe}}};
    for (const auto& [symbol, comparison] : kComparisons) {
      if (!IsSymbol(symbol)) continue;
      *op = comparison;
      Advance();
      return true;
    }
    return false;
  }

  // "in" stands at the token.
  bool ParseList(bool ids, Filter* filter) {
    Advance();
    if (!IsSymbol("(")) return Expected("'('");
    Advance();
    if (IsSymbol(")")) {
      Advance();
      return true;
    }
    while (true) {
      if (!ParseLiteral(ids, filter)) return false;
      if (IsSymbol(")")) break;
      if (!IsSymbol(",")) return Expected("',' or ')'");
      Advance();
    }
    Advance();
    return true;
  }

  bool ParseLiteral(bool id, Filter* filter) {
    std::vector<FilterValue>* const values = &filter->values;
    if (values->size() >= FilterLimits::kMaxValues) {
      return Fail(token_.offset,
                  absl::StrCat("more than ", FilterLimits::kMaxValues, " values in a list"));
    }
    if (token_.kind == TokenKind::kText) {
      values->emplace_back(std::move(token_.text));
    } else if (token_.kind == TokenKind::kNumber) {
      if (!(id ? ParseIdNumber(values) : ParseNumber(values))) return false;
    } else if (!id && (IsWord("true") || IsWord("false"))) {
      values->emplace_back(IsWord("true"));
    } else {
      return Expected(id ? "a point id (a number or a text)"
                         : "a value (a number, a text in quotes, true or false)");
    }
    filter->origin.values.push_back(static_cast<uint32_t>(token_.offset));
    Advance();
    return true;
  }

  bool ParseNumber(std::vector<FilterValue>* values) {
    const std::string& text = token_.text;
    const char* const end = text.data() + text.size();
    if (text.find_first_of(".eE") == std::string::npos) {
      int64_t integer = 0;
      if (std::from_chars(text.data(), end, integer).ec != std::errc()) {
        return Fail(token_.offset,
                    absl::StrCat("the integer ", text.substr(0, 64), " does not fit into 64 bits"));
      }
      values->emplace_back(integer);
      return true;
    }
    double real = 0;
    if (std::from_chars(text.data(), end, real).ec != std::errc() || !std::isfinite(real)) {
      return Fail(token_.offset, absl::StrCat("the number ", text.substr(0, 64),
                                              " does not fit into a 64-bit float"));
    }
    values->emplace_back(real);
    return true;
  }

  bool ParseIdNumber(std::vector<FilterValue>* values) {
    uint64_t number = 0;
    const char* const end = token_.text.data() + token_.text.size();
    const std::from_chars_result result = std::from_chars(token_.text.data(), end, number);
    if (result.ec != std::errc() || result.ptr != end) {
      return Fail(token_.offset, absl::StrCat("the number ", token_.text.substr(0, 64),
                                              " is no point id (0 to 18446744073709551615)"));
    }
    values->emplace_back(absl::StrCat(number));
    return true;
  }

  const std::shared_ptr<const std::string> source_;  // kept by the filter, for errors found later
  const std::string_view text_;
  FilterLexer lexer_;
  FilterToken token_;
  absl::Status error_;
};

}  // namespace

bool IsBareFilterPath(std::string_view path) {
  return !path.empty() && IsPathStart(path[0]) &&
         std::all_of(path.begin(), path.end(), IsPathPart) && path != "id" &&
         !IsKeyword(absl::AsciiStrToLower(std::string(path)));
}

absl::StatusOr<Filter> ParseFilter(std::string_view text) {
  if (text.size() > kMaxFilterTextBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: ", text.size(), " bytes; the limit is ", kMaxFilterTextBytes));
  }
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("filter: the text is not UTF-8");
  return FilterParser(text).Run();
}

}  // namespace vouch
