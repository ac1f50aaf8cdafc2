#include <cmath>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/payload/payload_columns.h"
#include "index/payload/quoted.h"

namespace vouch {
namespace {

std::string ShowLiteral(const FilterValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value)) return absl::StrCat(*integer);
  if (const auto* real = std::get_if<double>(&value)) return absl::StrCat(*real);
  return Quoted(std::get<std::string>(value));
}

absl::Status UnknownField(const CollectionSchema& schema, const std::string& path) {
  if (schema.payload.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown field ", Quoted(path), "; the collection has no filterable fields"));
  }
  const std::string known = absl::StrJoin(
      schema.payload, ", ",
      [](std::string* out, const PayloadField& field) { absl::StrAppend(out, field.path); });
  return absl::InvalidArgumentError(
      absl::StrCat("unknown field ", Quoted(path), "; filterable fields: ", known));
}

absl::Status CheckLiteral(const PayloadField& field, const FilterValue& value) {
  bool fits = false;
  switch (field.type) {
    case PayloadType::kKeyword:
    case PayloadType::kDatetime:
      fits = std::holds_alternative<std::string>(value);
      break;
    case PayloadType::kInteger:
    case PayloadType::kFloat:
      fits = std::holds_alternative<int64_t>(value) || std::holds_alternative<double>(value);
      break;
    case PayloadType::kBool:
      fits = std::holds_alternative<bool>(value);
      break;
  }
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat("field '", field.path, "' is of type ",
                                                   std::string(PayloadTypeName(field.type)), "; ",
                                                   ShowLiteral(value), " does not fit"));
  }
  if (const auto* real = std::get_if<double>(&value); real != nullptr && !std::isfinite(*real)) {
    return absl::InvalidArgumentError(
        absl::StrCat("field '", field.path, "': ", ShowLiteral(value), " is not a finite number"));
  }
  if (field.type == PayloadType::kDatetime) {
    const absl::StatusOr<int64_t> micros = ParseDatetime(std::get<std::string>(value));
    if (!micros.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("field '", field.path, "': ", micros.status().message()));
    }
  }
  return absl::OkStatus();
}

// How many of what a node of the operator takes.
struct Shape {
  size_t min_values;
  size_t max_values;
  size_t min_children;
  size_t max_children;
};

Shape ShapeOf(FilterOp op) {
  constexpr size_t kMany = FilterLimits::kMaxValues;
  switch (op) {
    case FilterOp::kAnd:
    case FilterOp::kOr:
      return {0, 0, 0, kMany};
    case FilterOp::kNot:
      return {0, 0, 1, 1};
    case FilterOp::kEq:
    case FilterOp::kNe:
    case FilterOp::kLt:
    case FilterOp::kLe:
    case FilterOp::kGt:
    case FilterOp::kGe:
      return {1, 1, 0, 0};
    case FilterOp::kIn:
    case FilterOp::kHasId:
      return {0, kMany, 0, 0};
    case FilterOp::kExists:
      return {0, 0, 0, 0};
  }
  return {1, 0, 1, 0};  // an operator out of the enum: nothing fits
}

bool IsOrder(FilterOp op) {
  return op == FilterOp::kLt || op == FilterOp::kLe || op == FilterOp::kGt || op == FilterOp::kGe;
}

class FilterChecker {
 public:
  explicit FilterChecker(const CollectionSchema& schema) : schema_(schema) {}

  absl::Status Check(const Filter& filter, size_t depth) {
    if (depth > FilterLimits::kMaxDepth) {
      return absl::InvalidArgumentError(
          absl::StrCat("the filter is nested more than ", FilterLimits::kMaxDepth, " deep"));
    }
    const Shape shape = ShapeOf(filter.op);
    ++conditions_;
    values_ += filter.values.size();
    if (conditions_ > FilterLimits::kMaxValues || values_ > FilterLimits::kMaxValues) {
      return absl::InvalidArgumentError(
          absl::StrCat("the filter has more than ", FilterLimits::kMaxValues,
                       conditions_ > FilterLimits::kMaxValues ? " conditions" : " values"));
    }
    if (filter.values.size() < shape.min_values || filter.values.size() > shape.max_values ||
        filter.children.size() < shape.min_children ||
        filter.children.size() > shape.max_children) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a filter node (operator ", static_cast<int>(filter.op), ", path ", Quoted(filter.path),
          ") has ", filter.values.size(), " values and ", filter.children.size(), " children"));
    }
    for (const Filter& child : filter.children) {
      if (absl::Status status = Check(child, depth + 1); !status.ok()) return status;
    }
    return CheckLeaf(filter);
  }

 private:
  absl::Status CheckLeaf(const Filter& filter) const {
    if (filter.op == FilterOp::kAnd || filter.op == FilterOp::kOr || filter.op == FilterOp::kNot) {
      return absl::OkStatus();
    }
    if (filter.op == FilterOp::kHasId) {
      for (const FilterValue& value : filter.values) {
        if (!std::holds_alternative<std::string>(value)) {
          return absl::InvalidArgumentError(
              absl::StrCat("a point id in a filter is text; ", ShowLiteral(value), " is not"));
        }
      }
      return absl::OkStatus();
    }
    const int ordinal = schema_.FindPayload(filter.path);
    if (ordinal < 0) return UnknownField(schema_, filter.path);
    const PayloadField& field = schema_.payload[static_cast<size_t>(ordinal)];
    if (field.type == PayloadType::kBool && IsOrder(filter.op)) {
      return absl::InvalidArgumentError(
          absl::StrCat("field '", field.path, "' is of type bool, which has no order"));
    }
    for (const FilterValue& value : filter.values) {
      if (absl::Status status = CheckLiteral(field, value); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const CollectionSchema& schema_;
  size_t conditions_ = 0;
  size_t values_ = 0;
};

}  // namespace

absl::Status ValidateFilter(const Filter& filter, const CollectionSchema& schema) {
  return FilterChecker(schema).Check(filter, 1);
}

}  // namespace vouch
