#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/payload/geo_area.h"
#include "index/payload/payload_columns.h"
#include "index/payload/quoted.h"
#include "index/payload/text_place.h"
#include "index/payload/text_words.h"

namespace vouch {
namespace {

constexpr size_t kPath = SIZE_MAX;

// An error at a leaf's path or at one of its values: with the column and a picture where the filter
// was an expression.
absl::Status Wrong(const Filter& leaf, size_t value, const std::string& problem,
                   const std::string& hint = "") {
  const FilterOrigin& origin = leaf.origin;
  if (origin.text == nullptr) return absl::InvalidArgumentError(absl::StrCat(problem, hint));
  // A path alone has a value, true, that stands nowhere.
  const uint32_t offset = value < origin.values.size() ? origin.values[value] : origin.path;
  const TextPlace place = FindTextPlace(*origin.text, offset);
  return absl::InvalidArgumentError(
      absl::StrCat(problem, " ", place.where, hint, "\n", place.picture));
}

// "the text '42'": what was written, so that a number in quotes is seen to be a text.
std::string ShowLiteral(const FilterValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<int64_t>(&value))
    return absl::StrCat("the number ", *integer);
  if (const auto* real = std::get_if<double>(&value)) return absl::StrCat("the number ", *real);
  return absl::StrCat("the text ", Quoted(std::get<std::string>(value)));
}

absl::Status UnknownField(const CollectionSchema& schema, const Filter& leaf) {
  const std::string problem = absl::StrCat("unknown field ", Quoted(leaf.path));
  if (schema.payload.empty())
    return Wrong(leaf, kPath, problem, "; the collection has no filterable fields");
  const std::string known = absl::StrJoin(
      schema.payload, ", ",
      [](std::string* out, const PayloadField& field) { absl::StrAppend(out, field.path); });
  return Wrong(leaf, kPath, problem, absl::StrCat("; filterable fields: ", known));
}

bool Fits(PayloadType type, const FilterValue& value) {
  switch (type) {
    case PayloadType::kKeyword:
    case PayloadType::kDatetime:
      return std::holds_alternative<std::string>(value);
    case PayloadType::kInteger:
    case PayloadType::kFloat:
      return std::holds_alternative<int64_t>(value) || std::holds_alternative<double>(value);
    case PayloadType::kBool:
      return std::holds_alternative<bool>(value);
    case PayloadType::kGeo:
    case PayloadType::kText:
      return false;  // takes no comparison
  }
  return false;
}

// How a value of the type is written.
std::string_view SpellingOf(PayloadType type) {
  switch (type) {
    case PayloadType::kKeyword:
      return "texts stand in quotes";
    case PayloadType::kDatetime:
      return "datetimes stand in quotes, as '2026-11-23T10:00:00Z'";
    case PayloadType::kInteger:
    case PayloadType::kFloat:
      return "numbers stand without quotes";
    case PayloadType::kBool:
      return "bools are true and false, without quotes";
    case PayloadType::kGeo:
      return "a point is asked by within 5 km of (52.52, 13.405), within box((52.3, 13.1), (52.7, 13.8)) or within "
             "polygon((…), (…), …)";
    case PayloadType::kText:
      return "a text is asked for its words: match 'red fox', match any 'red fox', match phrase 'red fox'";
  }
  return "";
}

absl::Status CheckLiteral(const PayloadField& field, const Filter& leaf, size_t i) {
  const FilterValue& value = leaf.values[i];
  if (!Fits(field.type, value)) {
    return Wrong(leaf, i,
                 absl::StrCat("field '", field.path, "' is of type ",
                              std::string(PayloadTypeName(field.type)), "; ", ShowLiteral(value),
                              " does not fit"),
                 absl::StrCat("; ", std::string(SpellingOf(field.type))));
  }
  if (const auto* real = std::get_if<double>(&value); real != nullptr && !std::isfinite(*real)) {
    return Wrong(leaf, i,
                 absl::StrCat("field '", field.path, "': ", *real, " is not a finite number"));
  }
  if (field.type == PayloadType::kDatetime) {
    const absl::StatusOr<int64_t> micros = ParseDatetime(std::get<std::string>(value));
    if (!micros.ok()) {
      return Wrong(leaf, i, absl::StrCat("field '", field.path, "': ", micros.status().message()));
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
    case FilterOp::kWithinRadius:
      return {3, 3, 0, 0};
    case FilterOp::kWithinBox:
      return {4, 4, 0, 0};
    case FilterOp::kWithinPolygon:
      return {6, kMany, 0, 0};
    case FilterOp::kMatch:
    case FilterOp::kMatchAny:
    case FilterOp::kMatchPhrase:
      return {1, 1, 0, 0};
  }
  return {1, 0, 1, 0};  // an operator out of the enum: nothing fits
}

// A field of a type that takes conditions of its own.
absl::Status CheckSpecial(const PayloadField& field, const Filter& leaf) {
  if (leaf.op == FilterOp::kExists) return absl::OkStatus();
  const std::string type(PayloadTypeName(field.type));
  const bool fits = field.type == PayloadType::kGeo    ? IsWithin(leaf.op)
                    : field.type == PayloadType::kText ? IsMatch(leaf.op)
                                                       : false;
  if (!fits && (field.type == PayloadType::kGeo || field.type == PayloadType::kText)) {
    return Wrong(leaf, kPath, absl::StrCat("field '", field.path, "' is of type ", type, ", which has no such condition"),
                 absl::StrCat("; ", std::string(SpellingOf(field.type))));
  }
  if (!fits) {
    return Wrong(leaf, kPath,
                 absl::StrCat("field '", field.path, "' is of type ", type, "; ", IsWithin(leaf.op) ? "within" : "match",
                              " asks a field of type ", IsWithin(leaf.op) ? "geo" : "text"));
  }
  if (IsWithin(leaf.op)) {
    size_t value = kPath;
    const absl::StatusOr<GeoShape> shape = GeoShape::Of(leaf, &value);
    if (shape.ok()) return absl::OkStatus();
    return Wrong(leaf, value, absl::StrCat("field '", field.path, "': ", shape.status().message()));
  }
  const auto* text = std::get_if<std::string>(&leaf.values[0]);
  if (text == nullptr) {
    return Wrong(leaf, 0, absl::StrCat("field '", field.path, "': match takes a text, not ", ShowLiteral(leaf.values[0])));
  }
  if (!WordsOf(field, *text).empty()) return absl::OkStatus();
  return Wrong(leaf, 0, absl::StrCat("field '", field.path, "': there is no word in ", Quoted(*text)),
               field.language == "none" ? "" : absl::StrCat("; stop words of the language '", field.language, "' do not count"));
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
              absl::StrCat("a point id in a filter is text, not ", ShowLiteral(value)));
        }
      }
      return absl::OkStatus();
    }
    const int ordinal = schema_.FindPayload(filter.path);
    if (ordinal < 0) return UnknownField(schema_, filter);
    const PayloadField& field = schema_.payload[static_cast<size_t>(ordinal)];
    if (field.type == PayloadType::kGeo || field.type == PayloadType::kText || IsWithin(filter.op) ||
        IsMatch(filter.op)) {
      return CheckSpecial(field, filter);
    }
    if (field.type == PayloadType::kBool && IsOrder(filter.op)) {
      return Wrong(filter, kPath,
                   absl::StrCat("field '", field.path, "' is of type bool, which has no order"));
    }
    for (size_t i = 0; i < filter.values.size(); ++i) {
      if (absl::Status status = CheckLiteral(field, filter, i); !status.ok()) return status;
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
