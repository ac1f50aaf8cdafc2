#include <array>
#include <limits>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "index/payload/json_text.h"
#include "index/payload/quoted.h"
#include "nlohmann/json.hpp"
#include "query/filter_parser.h"

namespace vouch {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<const char*, FilterOp>, 14> kOperators = {
    {{"=", FilterOp::kEq},
     {"!=", FilterOp::kNe},
     {"<", FilterOp::kLt},
     {"<=", FilterOp::kLe},
     {">", FilterOp::kGt},
     {">=", FilterOp::kGe},
     {"in", FilterOp::kIn},
     {"exists", FilterOp::kExists},
     {"within_radius", FilterOp::kWithinRadius},
     {"within_box", FilterOp::kWithinBox},
     {"within_polygon", FilterOp::kWithinPolygon},
     {"match", FilterOp::kMatch},
     {"match_any", FilterOp::kMatchAny},
     {"match_phrase", FilterOp::kMatchPhrase}}};

// `at` says where in the JSON: "filter.and[1]".
absl::Status Wrong(const std::string& at, const std::string& problem) {
  return absl::InvalidArgumentError(absl::StrCat(at, ": ", problem));
}

absl::StatusOr<FilterValue> ReadValue(const json& value, const std::string& at) {
  if (value.is_boolean()) return FilterValue(value.get<bool>());
  if (value.is_string()) return FilterValue(value.get_ref<const std::string&>());
  if (value.is_number_float()) return FilterValue(value.get<double>());
  if (value.is_number_integer()) {
    constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (value.is_number_unsigned() && value.get<uint64_t>() > kMax) {
      return Wrong(
          at, absl::StrCat(value.get<uint64_t>(), " is more than the limit of integers, ", kMax));
    }
    return FilterValue(value.get<int64_t>());
  }
  return Wrong(at,
               absl::StrCat("expected a number, a text, true or false, found ", value.type_name()));
}

absl::StatusOr<FilterValue> ReadId(const json& value, const std::string& at) {
  if (value.is_string()) return FilterValue(value.get_ref<const std::string&>());
  if (value.is_number_unsigned()) return FilterValue(absl::StrCat(value.get<uint64_t>()));
  return Wrong(at, "expected a point id (a text or a number from 0 to 18446744073709551615)");
}

template <typename ReadOne>
absl::StatusOr<std::vector<FilterValue>> ReadList(const json& list, const std::string& at,
                                                  ReadOne read_one) {
  if (!list.is_array())
    return Wrong(at, absl::StrCat("expected an array, found ", list.type_name()));
  if (list.size() > FilterLimits::kMaxValues) {
    return Wrong(at, absl::StrCat(list.size(), " values; the limit is ", FilterLimits::kMaxValues));
  }
  std::vector<FilterValue> values;
  values.reserve(list.size());
  for (const json& element : list) {
    absl::StatusOr<FilterValue> value =
        read_one(element, absl::StrCat(at, "[", values.size(), "]"));
    if (!value.ok()) return value.status();
    values.push_back(*std::move(value));
  }
  return values;
}

absl::Status CheckKeys(const json& object, std::span<const char* const> known,
                       const std::string& at) {
  for (const auto& [key, value] : object.items()) {
    bool found = false;
    std::string names;
    for (const char* name : known) {
      found = found || key == name;
      absl::StrAppend(&names, names.empty() ? "" : ", ", name);
    }
    if (!found) return Wrong(at, absl::StrCat("unknown key ", Quoted(key), "; keys here: ", names));
  }
  return absl::OkStatus();
}

absl::StatusOr<Filter> ReadFilter(const json& value, const std::string& at, size_t depth);

absl::StatusOr<Filter> ReadChain(FilterOp op, const json& list, const std::string& at,
                                 size_t depth) {
  if (!list.is_array())
    return Wrong(at, absl::StrCat("expected an array, found ", list.type_name()));
  Filter filter{.op = op};
  for (const json& element : list) {
    absl::StatusOr<Filter> child =
        ReadFilter(element, absl::StrCat(at, "[", filter.children.size(), "]"), depth + 1);
    if (!child.ok()) return child.status();
    filter.children.push_back(*std::move(child));
  }
  return filter;
}

absl::StatusOr<FilterOp> ReadOperator(const json& value, const std::string& at) {
  if (!value.is_string())
    return Wrong(at, absl::StrCat("expected a text, found ", value.type_name()));
  const std::string& text = value.get_ref<const std::string&>();
  std::string names;
  for (const auto& [name, op] : kOperators) {
    if (text == name) return op;
    absl::StrAppend(&names, names.empty() ? "" : " ", name);
  }
  if (text == "==") return FilterOp::kEq;
  return Wrong(at, absl::StrCat("unknown operator ", Quoted(text), "; operators: ", names));
}

// Adds the latitude and the longitude of the point under `key`.
absl::Status ReadPoint(const json& point, const std::string& at, std::vector<FilterValue>& values) {
  if (!point.is_object()) {
    return Wrong(at, absl::StrCat("expected a point {\"lat\": …, \"lon\": …}, found ", point.type_name()));
  }
  static constexpr const char* kKeys[] = {"lat", "lon"};
  if (absl::Status status = CheckKeys(point, kKeys, at); !status.ok()) return status;
  for (const char* key : kKeys) {
    const auto number = point.find(key);
    if (number == point.end()) return Wrong(absl::StrCat(at, ".", key), "is missing");
    if (!number->is_number()) {
      return Wrong(absl::StrCat(at, ".", key), absl::StrCat("expected a number, found ", number->type_name()));
    }
    values.emplace_back(number->get<double>());
  }
  return absl::OkStatus();
}

// The operands of a kWithin… condition.
absl::Status ReadWithin(const json& object, const std::string& at, Filter& filter) {
  const auto operand = [&](const char* key) -> absl::StatusOr<const json*> {
    const auto found = object.find(key);
    if (found == object.end()) return Wrong(absl::StrCat(at, ".", key), "is missing");
    return &*found;
  };
  const bool radius = filter.op == FilterOp::kWithinRadius;
  if (filter.op == FilterOp::kWithinPolygon) {
    static constexpr const char* kKeys[] = {"path", "op", "points"};
    if (absl::Status status = CheckKeys(object, kKeys, at); !status.ok()) return status;
    const absl::StatusOr<const json*> points = operand("points");
    if (!points.ok()) return points.status();
    const std::string points_at = absl::StrCat(at, ".points");
    if (!(*points)->is_array() || (*points)->size() < 3 || (*points)->size() > FilterLimits::kMaxValues / 2) {
      return Wrong(points_at, "expected an array of 3 points at least");
    }
    for (size_t i = 0; i < (*points)->size(); ++i) {
      absl::Status status = ReadPoint((**points)[i], absl::StrCat(points_at, "[", i, "]"), filter.values);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  const char* const keys[] = {"path", "op", radius ? "center" : "south_west", radius ? "radius" : "north_east"};
  if (absl::Status status = CheckKeys(object, keys, at); !status.ok()) return status;
  for (const char* key : {keys[2], keys[3]}) {
    const absl::StatusOr<const json*> found = operand(key);
    if (!found.ok()) return found.status();
    const std::string found_at = absl::StrCat(at, ".", key);
    if (radius && key == keys[3]) {
      if (!(*found)->is_number()) return Wrong(found_at, "expected a number of metres");
      filter.values.emplace_back((*found)->get<double>());
    } else if (absl::Status status = ReadPoint(**found, found_at, filter.values); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Filter> ReadCondition(const json& object, const std::string& at) {
  const auto path = object.find("path");
  const auto op = object.find("op");
  if (path == object.end() || op == object.end()) {
    static constexpr const char* kKeys[] = {"path", "op", "value", "values",
                                            "and",  "or", "not",   "has_id"};
    if (absl::Status status = CheckKeys(object, kKeys, at); !status.ok()) return status;
    return Wrong(at, "expected 'path' and 'op', or one of 'and', 'or', 'not', 'has_id'");
  }
  if (!path->is_string() || path->get_ref<const std::string&>().empty()) {
    return Wrong(absl::StrCat(at, ".path"), "expected a text that is not empty");
  }
  absl::StatusOr<FilterOp> read_op = ReadOperator(*op, absl::StrCat(at, ".op"));
  if (!read_op.ok()) return read_op.status();
  Filter filter{.op = *read_op, .path = path->get_ref<const std::string&>()};
  if (filter.op == FilterOp::kExists) {
    static constexpr const char* kKeys[] = {"path", "op"};
    if (absl::Status status = CheckKeys(object, kKeys, at); !status.ok()) return status;
    return filter;
  }
  if (IsWithin(filter.op)) {
    if (absl::Status status = ReadWithin(object, at, filter); !status.ok()) return status;
    return filter;
  }
  const bool is_list = filter.op == FilterOp::kIn;
  const char* const keys[] = {"path", "op", is_list ? "values" : "value"};
  if (absl::Status status = CheckKeys(object, keys, at); !status.ok()) return status;
  const auto operand = object.find(keys[2]);
  const std::string operand_at = absl::StrCat(at, ".", keys[2]);
  if (operand == object.end()) return Wrong(operand_at, "is missing");
  if (is_list) {
    absl::StatusOr<std::vector<FilterValue>> values = ReadList(*operand, operand_at, ReadValue);
    if (!values.ok()) return values.status();
    filter.values = *std::move(values);
    return filter;
  }
  absl::StatusOr<FilterValue> literal = ReadValue(*operand, operand_at);
  if (!literal.ok()) return literal.status();
  if (IsMatch(filter.op) && !std::holds_alternative<std::string>(*literal)) {
    return Wrong(operand_at, "expected a text");
  }
  filter.values.push_back(*std::move(literal));
  return filter;
}

absl::StatusOr<Filter> ReadFilter(const json& value, const std::string& at, size_t depth) {
  if (depth > FilterLimits::kMaxDepth) {
    return Wrong("filter",
                 absl::StrCat("conditions nested more than ", FilterLimits::kMaxDepth, " deep"));
  }
  if (!value.is_object())
    return Wrong(at, absl::StrCat("expected an object, found ", value.type_name()));
  for (const char* key : {"and", "or", "not", "has_id"}) {
    const auto operand = value.find(key);
    if (operand == value.end()) continue;
    const char* const keys[] = {key};
    if (absl::Status status = CheckKeys(value, keys, at); !status.ok()) return status;
    const std::string name = key;
    const std::string operand_at = absl::StrCat(at, ".", name);
    if (name == "and") return ReadChain(FilterOp::kAnd, *operand, operand_at, depth);
    if (name == "or") return ReadChain(FilterOp::kOr, *operand, operand_at, depth);
    Filter filter{.op = name == "not" ? FilterOp::kNot : FilterOp::kHasId};
    if (name == "not") {
      absl::StatusOr<Filter> child = ReadFilter(*operand, operand_at, depth + 1);
      if (!child.ok()) return child.status();
      filter.children.push_back(*std::move(child));
      return filter;
    }
    absl::StatusOr<std::vector<FilterValue>> ids = ReadList(*operand, operand_at, ReadId);
    if (!ids.ok()) return ids.status();
    filter.values = *std::move(ids);
    return filter;
  }
  return ReadCondition(value, at);
}

json WriteValue(const FilterValue& value) {
  return std::visit([](const auto& literal) { return json(literal); }, value);
}

json WriteValues(const std::vector<FilterValue>& values) {
  json list = json::array();
  for (const FilterValue& value : values) list.push_back(WriteValue(value));
  return list;
}

json WritePoint(const std::vector<FilterValue>& values, size_t first) {
  return {{"lat", WriteValue(values[first])}, {"lon", WriteValue(values[first + 1])}};
}

void WriteWithin(const Filter& filter, json& object) {
  const std::vector<FilterValue>& values = filter.values;
  if (filter.op == FilterOp::kWithinRadius && values.size() == 3) {
    object["center"] = WritePoint(values, 0);
    object["radius"] = WriteValue(values[2]);
  } else if (filter.op == FilterOp::kWithinBox && values.size() == 4) {
    object["south_west"] = WritePoint(values, 0);
    object["north_east"] = WritePoint(values, 2);
  } else {
    json& points = object["points"] = json::array();
    for (size_t i = 0; i + 1 < values.size(); i += 2) points.push_back(WritePoint(values, i));
  }
}

json WriteFilter(const Filter& filter) {
  json object = json::object();
  if (filter.op == FilterOp::kHasId) {
    object["has_id"] = WriteValues(filter.values);
    return object;
  }
  if (filter.op == FilterOp::kNot && !filter.children.empty()) {
    object["not"] = WriteFilter(filter.children[0]);
    return object;
  }
  if (filter.op == FilterOp::kAnd || filter.op == FilterOp::kOr) {
    json list = json::array();
    for (const Filter& child : filter.children) list.push_back(WriteFilter(child));
    object[filter.op == FilterOp::kAnd ? "and" : "or"] = std::move(list);
    return object;
  }
  object["path"] = filter.path;
  for (const auto& [name, op] : kOperators) {
    if (op == filter.op) object["op"] = name;
  }
  if (IsWithin(filter.op)) {
    WriteWithin(filter, object);
  } else if (filter.op == FilterOp::kIn) {
    object["values"] = WriteValues(filter.values);
  } else if (!filter.values.empty()) {
    object["value"] = WriteValue(filter.values[0]);
  }
  return object;
}

}  // namespace

absl::StatusOr<Filter> FilterFromJson(std::string_view text) {
  if (text.size() > kMaxFilterTextBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: ", text.size(), " bytes; the limit is ", kMaxFilterTextBytes));
  }
  absl::StatusOr<json> parsed = ParseJson("the filter", text);
  if (!parsed.ok()) return parsed.status();
  return ReadFilter(*parsed, "filter", 1);
}

std::string FilterToJson(const Filter& filter) {
  return WriteFilter(filter).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace vouch
