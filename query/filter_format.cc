#include <array>
#include <charconv>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "query/filter_parser.h"

namespace vouch {
namespace {

// How tightly a text holds together; an operand looser than its operator needs stands in
// parentheses.
enum class Binding { kOr, kAnd, kUnary };

struct Formatted {
  std::string text;
  Binding binding = Binding::kUnary;
};

std::string FormatText(std::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(std::string(text), {{"'", "''"}}), "'");
}

std::string FormatPath(const std::string& path) {
  if (IsBareFilterPath(path)) return path;
  return absl::StrCat("`", absl::StrReplaceAll(path, {{"`", "``"}}), "`");
}

std::string FormatValue(const FilterValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return absl::StrCat(*integer);
  if (const auto* text = std::get_if<std::string>(&value)) return FormatText(*text);
  std::array<char, 32> buffer;
  const std::to_chars_result result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::get<double>(value));
  std::string number(buffer.data(), result.ptr);
  if (number.find_first_of(".en") == std::string::npos) number.append(".0");
  return number;
}

std::string FormatList(const std::vector<FilterValue>& values) {
  std::string list = "(";
  for (const FilterValue& value : values) {
    absl::StrAppend(&list, list.size() > 1 ? ", " : "", FormatValue(value));
  }
  return absl::StrCat(list, ")");
}

std::string FormatPoint(const std::vector<FilterValue>& values, size_t first) {
  return absl::StrCat("(", FormatValue(values[first]), ", ", FormatValue(values[first + 1]), ")");
}

std::string FormatWithin(const Filter& filter) {
  const std::vector<FilterValue>& values = filter.values;
  const std::string start = absl::StrCat(FormatPath(filter.path), " within ");
  if (filter.op == FilterOp::kWithinRadius && values.size() == 3) {
    return absl::StrCat(start, FormatValue(values[2]), " m of ", FormatPoint(values, 0));
  }
  std::string points;
  for (size_t i = 0; i + 1 < values.size(); i += 2) {
    absl::StrAppend(&points, points.empty() ? "" : ", ", FormatPoint(values, i));
  }
  return absl::StrCat(start, filter.op == FilterOp::kWithinBox ? "box(" : "polygon(", points, ")");
}

std::string FormatMatch(const Filter& filter) {
  const char* how = filter.op == FilterOp::kMatch ? " match " : filter.op == FilterOp::kMatchAny ? " match any " : " match phrase ";
  return absl::StrCat(FormatPath(filter.path), how, filter.values.empty() ? "''" : FormatValue(filter.values[0]));
}

const char* OperatorText(FilterOp op) {
  switch (op) {
    case FilterOp::kNe:
      return " != ";
    case FilterOp::kLt:
      return " < ";
    case FilterOp::kLe:
      return " <= ";
    case FilterOp::kGt:
      return " > ";
    case FilterOp::kGe:
      return " >= ";
    case FilterOp::kEq:
    case FilterOp::kAnd:
    case FilterOp::kOr:
    case FilterOp::kNot:
    case FilterOp::kIn:
    case FilterOp::kExists:
    case FilterOp::kHasId:
    case FilterOp::kWithinRadius:
    case FilterOp::kWithinBox:
    case FilterOp::kWithinPolygon:
    case FilterOp::kMatch:
    case FilterOp::kMatchAny:
    case FilterOp::kMatchPhrase:
      break;
  }
  return " = ";
}

Formatted Format(const Filter& filter);

std::string FormatOperand(const Filter& filter, Binding at_least) {
  Formatted operand = Format(filter);
  if (operand.binding >= at_least) return std::move(operand.text);
  return absl::StrCat("(", operand.text, ")");
}

// A chain inside a chain of the same operator keeps its parentheses, so that parsing gives the same
// tree.
Formatted FormatChain(const Filter& filter, Binding binding) {
  const bool is_and = binding == Binding::kAnd;
  if (filter.children.empty()) return {.text = is_and ? "true" : "false"};
  if (filter.children.size() == 1) return Format(filter.children[0]);
  const Binding operands = is_and ? Binding::kUnary : Binding::kAnd;
  std::string text;
  for (const Filter& child : filter.children) {
    if (!text.empty()) text.append(is_and ? " and " : " or ");
    text.append(FormatOperand(child, operands));
  }
  return {.text = std::move(text), .binding = binding};
}

std::string FormatNot(const Filter& filter) {
  if (filter.children.empty()) return "false";
  const Filter& child = filter.children[0];
  if (child.op == FilterOp::kIn) {
    return absl::StrCat(FormatPath(child.path), " not in ", FormatList(child.values));
  }
  if (child.op == FilterOp::kHasId) return absl::StrCat("id not in ", FormatList(child.values));
  return absl::StrCat("not ", FormatOperand(child, Binding::kUnary));
}

Formatted Format(const Filter& filter) {
  switch (filter.op) {
    case FilterOp::kAnd:
      return FormatChain(filter, Binding::kAnd);
    case FilterOp::kOr:
      return FormatChain(filter, Binding::kOr);
    case FilterOp::kNot:
      return {.text = FormatNot(filter)};
    case FilterOp::kIn:
      return {.text = absl::StrCat(FormatPath(filter.path), " in ", FormatList(filter.values))};
    case FilterOp::kHasId:
      return {.text = absl::StrCat("id in ", FormatList(filter.values))};
    case FilterOp::kExists:
      return {.text = absl::StrCat(FormatPath(filter.path), " exists")};
    case FilterOp::kWithinRadius:
    case FilterOp::kWithinBox:
    case FilterOp::kWithinPolygon:
      return {.text = FormatWithin(filter)};
    case FilterOp::kMatch:
    case FilterOp::kMatchAny:
    case FilterOp::kMatchPhrase:
      return {.text = FormatMatch(filter)};
    case FilterOp::kEq:
    case FilterOp::kNe:
    case FilterOp::kLt:
    case FilterOp::kLe:
    case FilterOp::kGt:
    case FilterOp::kGe:
      break;
  }
  if (filter.values.empty()) return {.text = FormatPath(filter.path)};
  return {.text = absl::StrCat(FormatPath(filter.path), OperatorText(filter.op),
                               FormatValue(filter.values[0]))};
}

}  // namespace

std::string FormatFilter(const Filter& filter) { return Format(filter).text; }

}  // namespace vouch
