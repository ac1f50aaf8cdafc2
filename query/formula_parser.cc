#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "index/payload/payload_columns.h"
#include "index/payload/quoted.h"
#include "query/formula.h"
#include "query/white_space.h"

namespace vouch {
namespace {

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || absl::ascii_isdigit(c) || c == '.'; }

enum class TokenKind { kEnd, kNumber, kName, kQuotedPath, kText, kSymbol, kUnclosed };

struct FormulaToken {
  TokenKind kind = TokenKind::kEnd;
  size_t offset = 0;
  std::string text = {};
  double number = 0;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  FormulaToken Next() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    FormulaToken token{.kind = TokenKind::kEnd, .offset = at_};
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (absl::ascii_isdigit(c) || (c == '.' && at_ + 1 < text_.size() && absl::ascii_isdigit(text_[at_ + 1])))
      return Number(token);
    if (c == '\'' || c == '"') return Quoted(token, c, TokenKind::kText);
    if (c == '`') return Quoted(token, c, TokenKind::kQuotedPath);
    if (IsNameStart(c)) {
      token.kind = TokenKind::kName;
      while (at_ < text_.size() && IsNamePart(text_[at_])) token.text.push_back(text_[at_++]);
      return token;
    }
    token.kind = TokenKind::kSymbol;
    token.text = std::string(1, c);
    ++at_;
    // The rest of a code point goes with its first byte.
    while (at_ < text_.size() && (static_cast<unsigned char>(text_[at_]) & 0xC0) == 0x80)
      token.text.push_back(text_[at_++]);
    return token;
  }

 private:
  FormulaToken Number(FormulaToken token) {
    const auto read =
        std::from_chars(text_.data() + at_, text_.data() + text_.size(), token.number);
    const auto length = static_cast<size_t>(read.ptr - (text_.data() + at_));
    token.text = std::string(text_.substr(at_, length));
    // Out of range: no number that a double has.
    token.kind = read.ec == std::errc() ? TokenKind::kNumber : TokenKind::kSymbol;
    at_ += std::max<size_t>(length, 1);
    return token;
  }

  FormulaToken Quoted(FormulaToken token, char quote, TokenKind kind) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == quote && (at_ + 1 == text_.size() || text_[at_ + 1] != quote)) {
        ++at_;
        token.kind = kind;
        return token;
      }
      if (text_[at_] == quote) ++at_;
      token.text.push_back(text_[at_]);
    }
    token.kind = TokenKind::kUnclosed;
    token.text = std::string(1, quote);
    return token;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

// Recursive descent; writes the steps in postfix order.
class FormulaParser {
 public:
  FormulaParser(std::string_view text, const CollectionSchema& schema)
      : text_(text), schema_(schema), lexer_(text) {
    token_ = lexer_.Next();
  }

  absl::StatusOr<Formula> Parse() {
    if (absl::Status status = Sum(1); !status.ok()) return status;
    if (token_.kind != TokenKind::kEnd) return Expected("an operator or the end");
    return std::move(formula_);
  }

 private:
  using Op = Formula::Op;
  struct Function {
    std::string_view name;
    Op op;
    size_t least;
    size_t most;
  };
  static constexpr size_t kMostArguments = 16;
  static constexpr std::array<Function, 17> kFunctions = {{{"abs", Op::kAbs, 1, 1},
                                                           {"sqrt", Op::kSqrt, 1, 1},
                                                           {"exp", Op::kExp, 1, 1},
                                                           {"log", Op::kLog, 1, 1},
                                                           {"log1p", Op::kLog1p, 1, 1},
                                                           {"log10", Op::kLog10, 1, 1},
                                                           {"pow", Op::kPow, 2, 2},
                                                           {"min", Op::kMin, 1, kMostArguments},
                                                           {"max", Op::kMax, 1, kMostArguments},
                                                           {"default", Op::kDefault, 2, 2},
                                                           {"exp_decay", Op::kExpDecay, 3, 5},
                                                           {"gauss_decay", Op::kGaussDecay, 3, 5},
                                                           {"linear_decay", Op::kLinearDecay, 3, 5},
                                                           {"geo_distance", Op::kGeoDistance, 4, 4},
                                                           {"days", Op::kDays, 1, 1},
                                                           {"hours", Op::kHours, 1, 1},
                                                           {"datetime", Op::kNumber, 1, 1}}};

  absl::Status Wrong(size_t offset, const std::string& problem) const {
    constexpr size_t kPicture = 100;
    std::string message = absl::StrCat(problem, " at column ", offset + 1);
    const bool simple =
        text_.size() <= kPicture &&
        std::all_of(text_.begin(), text_.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (simple)
      absl::StrAppend(&message, "\n  ", std::string(text_), "\n  ", std::string(offset, ' '), "^");
    return absl::InvalidArgumentError(message);
  }
  absl::Status Expected(std::string_view what) const {
    std::string found;
    switch (token_.kind) {
      case TokenKind::kEnd:
        found = "the end";
        break;
      case TokenKind::kUnclosed:
        return Wrong(token_.offset,
                     absl::StrCat("expected a closing ", token_.text, " of what begins"));
      case TokenKind::kText:
        found = absl::StrCat("the text ", Quoted(token_.text));
        break;
      case TokenKind::kNumber:
      case TokenKind::kName:
      case TokenKind::kQuotedPath:
      case TokenKind::kSymbol:
        found = Quoted(token_.text);
        break;
    }
    return Wrong(token_.offset, absl::StrCat("expected ", std::string(what), ", found ", found));
  }

  bool AtSymbol(char symbol) const {
    return token_.kind == TokenKind::kSymbol && token_.text.size() == 1 && token_.text[0] == symbol;
  }
  void Advance() { token_ = lexer_.Next(); }

  absl::Status Emit(Formula::Step step) {
    if (formula_.steps_.size() == Formula::kMaxSteps) {
      return Wrong(token_.offset,
                   absl::StrCat("over ", Formula::kMaxSteps, " numbers, fields and operations"));
    }
    formula_.steps_.push_back(step);
    return absl::OkStatus();
  }

  absl::Status Sum(size_t depth) {
    absl::Status status = Product(depth);
    while (status.ok() && (AtSymbol('+') || AtSymbol('-'))) {
      const Op op = AtSymbol('+') ? Op::kAdd : Op::kSubtract;
      Advance();
      status = Product(depth);
      if (status.ok()) status = Emit({.op = op, .arguments = 2});
    }
    return status;
  }

  absl::Status Product(size_t depth) {
    absl::Status status = Factor(depth);
    while (status.ok() && (AtSymbol('*') || AtSymbol('/'))) {
      const Op op = AtSymbol('*') ? Op::kMultiply : Op::kDivide;
      Advance();
      status = Factor(depth);
      if (status.ok()) status = Emit({.op = op, .arguments = 2});
    }
    return status;
  }

  absl::Status Factor(size_t depth) {
    if (depth > Formula::kMaxDepth) {
      return Wrong(token_.offset, absl::StrCat("nested over ", Formula::kMaxDepth, " deep"));
    }
    const FormulaToken token = token_;
    switch (token.kind) {
      case TokenKind::kNumber:
        Advance();
        return Emit({.op = Op::kNumber, .number = token.number});
      case TokenKind::kQuotedPath:
        Advance();
        return Field(token);
      case TokenKind::kName:
        Advance();
        if (AtSymbol('(')) return Call(token, depth);
        if (token.text == "score") return Emit({.op = Op::kScore});
        return Field(token);
      case TokenKind::kSymbol:
      case TokenKind::kEnd:
      case TokenKind::kText:
      case TokenKind::kUnclosed:
        break;
    }
    if (AtSymbol('-')) {
      Advance();
      if (absl::Status status = Factor(depth + 1); !status.ok()) return status;
      return Emit({.op = Op::kNegate, .arguments = 1});
    }
    if (!AtSymbol('(')) return Expected("a number, score, a field, a function or (");
    Advance();
    if (absl::Status status = Sum(depth + 1); !status.ok()) return status;
    if (!AtSymbol(')')) return Expected("an operator or )");
    Advance();
    return absl::OkStatus();
  }

  static bool IsNumber(PayloadType type) {
    return type != PayloadType::kKeyword && type != PayloadType::kGeo && type != PayloadType::kText;
  }

  absl::Status Field(const FormulaToken& token) {
    const int ordinal = schema_.FindPayload(token.text);
    if (ordinal < 0) {
      std::string known;
      for (const PayloadField& field : schema_.payload) {
        if (IsNumber(field.type)) absl::StrAppend(&known, ", ", field.path);
      }
      return Wrong(token.offset,
                   absl::StrCat("unknown field ", Quoted(token.text), "; there are score", known));
    }
    const PayloadType type = schema_.payload[static_cast<size_t>(ordinal)].type;
    if (!IsNumber(type)) {
      return Wrong(token.offset, absl::StrCat("field ", Quoted(token.text), " is a ",
                                              std::string(PayloadTypeName(type)), ", which is no number"));
    }
    std::vector<int>& fields = formula_.fields_;
    const auto at = std::find(fields.begin(), fields.end(), ordinal) - fields.begin();
    if (at == static_cast<std::ptrdiff_t>(fields.size())) fields.push_back(ordinal);
    return Emit({.op = Op::kField, .field = static_cast<uint32_t>(at)});
  }

  absl::Status Call(const FormulaToken& name, size_t depth) {
    const auto function =
        std::find_if(kFunctions.begin(), kFunctions.end(),
                     [&](const Function& known) { return known.name == name.text; });
    if (function == kFunctions.end()) {
      std::string names;
      for (const Function& known : kFunctions)
        absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(known.name));
      return Wrong(name.offset,
                   absl::StrCat("unknown function ", Quoted(name.text), "; there are ", names));
    }
    Advance();  // the parenthesis
    if (function->name == "datetime") return Datetime();
    size_t count = 0;
    while (!AtSymbol(')')) {
      if (count > 0 && !AtSymbol(',')) return Expected("an operator, a comma or )");
      if (count > 0) Advance();
      if (absl::Status status = Sum(depth + 1); !status.ok()) return status;
      ++count;
    }
    if (count < function->least || count > function->most) {
      const std::string wanted = function->least == function->most
                                     ? absl::StrCat(function->least)
                                     : absl::StrCat(function->least, " to ", function->most);
      return Wrong(name.offset,
                   absl::StrCat(name.text, " takes ", wanted, " arguments, has ", count));
    }
    Advance();
    return Emit({.op = function->op, .arguments = static_cast<uint16_t>(count)});
  }

  absl::Status Datetime() {
    if (token_.kind != TokenKind::kText)
      return Expected("a time in quotes, as '2026-11-23T10:00:00Z'");
    const absl::StatusOr<int64_t> micros = ParseDatetime(token_.text);
    if (!micros.ok()) return Wrong(token_.offset, std::string(micros.status().message()));
    Advance();
    if (!AtSymbol(')')) return Expected(")");
    Advance();
    return Emit({.op = Op::kNumber, .number = static_cast<double>(*micros) / 1e6});
  }

  const std::string_view text_;
  const CollectionSchema& schema_;
  Lexer lexer_;
  FormulaToken token_;
  Formula formula_;
};

absl::StatusOr<Formula> Formula::Parse(std::string_view text, const CollectionSchema& schema) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(text.size(), " bytes; the limit is ", kMaxBytes));
  }
  return FormulaParser(text, schema).Parse();
}

}  // namespace vouch
