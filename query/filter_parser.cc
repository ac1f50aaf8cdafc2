#include "query/filter_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "index/payload/quoted.h"
#include "index/payload/text_place.h"
#include "query/filter_lexer.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

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
    if (token_.kind != FilterTokenKind::kEnd) {
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
    return token_.kind == FilterTokenKind::kSymbol && token_.text == symbol;
  }
  bool IsWord(std::string_view keyword) const {
    return token_.kind == FilterTokenKind::kKeyword && token_.text == keyword;
  }

  bool Fail(size_t offset, const std::string& problem) {
    const TextPlace place = FindTextPlace(text_, offset);
    error_ = absl::InvalidArgumentError(
        absl::StrCat("filter: ", problem, " ", place.where, "\n", place.picture));
    return false;
  }
  bool Expected(const std::string& what) {
    const std::string wanted = token_.kind == FilterTokenKind::kBad ? token_.text : what;
    return Fail(token_.offset, absl::StrCat("expected ", wanted, ", found ", Found()));
  }
  std::string Found() const {
    switch (token_.kind) {
      case FilterTokenKind::kEnd:
        return "the end";
      case FilterTokenKind::kPath:
      case FilterTokenKind::kQuotedPath:
        return absl::StrCat("the path ", Quoted(token_.text));
      case FilterTokenKind::kText:
        return absl::StrCat("the text ", Quoted(token_.text));
      case FilterTokenKind::kNumber:
        return absl::StrCat("the number ", token_.text.substr(0, 64));
      case FilterTokenKind::kKeyword:
      case FilterTokenKind::kSymbol:
        return Quoted(token_.text);
      case FilterTokenKind::kBad:
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
    const bool quoted = token_.kind == FilterTokenKind::kQuotedPath;
    if (!quoted && token_.kind != FilterTokenKind::kPath) return Expected("a condition");
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
    if (TakeWord("within")) {
      node->filter = {.path = path, .origin = origin};
      return ParseWithin(&node->filter);
    }
    if (TakeWord("match")) {
      node->filter = {.path = path, .origin = origin};
      return ParseMatch(&node->filter);
    }
    FilterOp op = FilterOp::kEq;
    if (!ReadComparison(&op)) {
      node->filter = {.op = FilterOp::kEq, .path = path, .values = {true}, .origin = origin};
      return true;
    }
    node->filter = {.op = op, .path = path, .origin = origin};
    return ParseLiteral(false, &node->filter);
  }

  // Takes a word that means something in its place only.
  bool TakeWord(std::string_view word) {
    if (token_.kind != FilterTokenKind::kPath || absl::AsciiStrToLower(token_.text) != word) return false;
    Advance();
    return true;
  }
  bool TakeSymbol(std::string_view symbol) {
    if (!IsSymbol(symbol)) return Expected(absl::StrCat("'", std::string(symbol), "'"));
    Advance();
    return true;
  }

  // After "within".
  bool ParseWithin(Filter* filter) {
    if (token_.kind == FilterTokenKind::kNumber) return ParseRadius(filter);
    const bool box = TakeWord("box");
    if (!box && !TakeWord("polygon")) return Expected("a distance, 'box' or 'polygon'");
    filter->op = box ? FilterOp::kWithinBox : FilterOp::kWithinPolygon;
    if (!TakeSymbol("(")) return false;
    while (true) {
      if (!ParsePoint(filter)) return false;
      if (IsSymbol(")") && (!box || filter->values.size() == 4)) break;
      if (box && filter->values.size() == 4) return Expected("')' (a box has two corners)");
      if (!IsSymbol(",")) return Expected(box ? "',' and the north-eastern corner" : "',' or ')'");
      Advance();
    }
    Advance();
    if (box || filter->values.size() >= 6) return true;
    return Fail(filter->origin.path, "a polygon has 3 points at least");
  }
  bool ParseRadius(Filter* filter) {
    filter->op = FilterOp::kWithinRadius;
    std::vector<FilterValue> distance;
    const auto offset = static_cast<uint32_t>(token_.offset);
    if (!ParseNumber(&distance)) return false;
    Advance();
    const std::optional<double> metres =
        token_.kind == FilterTokenKind::kPath ? MetresOf(absl::AsciiStrToLower(token_.text)) : std::nullopt;
    if (!metres) return Expected("the unit of the distance: m, km or mi");
    Advance();
    if (!TakeWord("of")) return Expected("'of'");
    if (!ParsePoint(filter)) return false;
    filter->values.emplace_back(AsDouble(distance[0]) * *metres);
    filter->origin.values.push_back(offset);
    return true;
  }
  bool ParsePoint(Filter* filter) {
    if (filter->values.size() + 2 > FilterLimits::kMaxValues) {
      return Fail(token_.offset, absl::StrCat("more than ", FilterLimits::kMaxValues / 2, " points"));
    }
    if (!IsSymbol("(")) return Expected("a point (latitude, longitude)");
    Advance();
    if (!ParseCoordinate("latitude", filter) || !TakeSymbol(",")) return false;
    return ParseCoordinate("longitude", filter) && TakeSymbol(")");
  }
  bool ParseCoordinate(const char* what, Filter* filter) {
    if (token_.kind != FilterTokenKind::kNumber) return Expected(absl::StrCat("a ", what));
    std::vector<FilterValue> number;
    if (!ParseNumber(&number)) return false;
    filter->values.emplace_back(AsDouble(number[0]));
    filter->origin.values.push_back(static_cast<uint32_t>(token_.offset));
    Advance();
    return true;
  }
  static double AsDouble(const FilterValue& number) {
    if (const auto* whole = std::get_if<int64_t>(&number)) return static_cast<double>(*whole);
    return std::get<double>(number);
  }

  // After "match".
  bool ParseMatch(Filter* filter) {
    filter->op = FilterOp::kMatch;
    if (TakeWord("any")) {
      filter->op = FilterOp::kMatchAny;
    } else if (TakeWord("phrase")) {
      filter->op = FilterOp::kMatchPhrase;
    } else {
      (void)TakeWord("all");
    }
    if (token_.kind != FilterTokenKind::kText) return Expected("a text in quotes");
    return ParseLiteral(false, filter);
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
    if (token_.kind == FilterTokenKind::kText) {
      values->emplace_back(std::move(token_.text));
    } else if (token_.kind == FilterTokenKind::kNumber) {
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

absl::StatusOr<Filter> ParseFilter(std::string_view text) {
  if (text.size() > kMaxFilterTextBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: ", text.size(), " bytes; the limit is ", kMaxFilterTextBytes));
  }
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("filter: the text is not UTF-8");
  return FilterParser(text).Run();
}

}  // namespace vouch
