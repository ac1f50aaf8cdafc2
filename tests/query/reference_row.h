#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "index/payload/filter.h"
#include "storage/point_id.h"
#include "tests/index/payload/naive_geo.h"

namespace vouch {

// A row of the plain list that the reference searches.
struct ReferenceRow {
  PointId id;
  std::map<std::string, std::vector<float>> vectors;  // normalised under cosine
  std::map<std::string, std::map<uint32_t, float>> sparse;
  std::map<std::string, std::vector<std::vector<float>>> tokens;  // normalised under cosine
  std::map<std::string, std::string> texts;  // by text field
  std::optional<int64_t> year;
  std::vector<std::string> lang;
  std::vector<GeoPoint> place;
  std::vector<std::string> authors;  // at "authors.name", of all elements
  std::vector<std::string> access;
  uint64_t added = 0;
  uint64_t retired = UINT64_MAX;
};

// Whether a row meets a filter, by the filter's definition.
class ReferenceFilter {
 public:
  static bool Meets(const ReferenceRow& row, const Filter& filter) {
    const auto child = [&](const Filter& part) { return Meets(row, part); };
    switch (filter.op) {
      case FilterOp::kAnd:
        return std::all_of(filter.children.begin(), filter.children.end(), child);
      case FilterOp::kOr:
        return std::any_of(filter.children.begin(), filter.children.end(), child);
      case FilterOp::kNot:
        return !Meets(row, filter.children[0]);
      case FilterOp::kWithinRadius:
      case FilterOp::kWithinBox:
      case FilterOp::kWithinPolygon:
        return std::any_of(row.place.begin(), row.place.end(),
                           [&](const GeoPoint& point) { return NaiveWithin(filter, point); });
      case FilterOp::kMatch:
      case FilterOp::kMatchAny:
      case FilterOp::kMatchPhrase:
        return Matches(row, filter);
      case FilterOp::kExists:
        if (filter.path == "place") return !row.place.empty();
        return filter.path == "year" ? row.year.has_value() : !Texts(row, filter.path).empty();
      case FilterOp::kHasId:
        return std::any_of(filter.values.begin(), filter.values.end(),
                           [&](const FilterValue& value) {
                             return std::get<std::string>(value) == row.id.ToString();
                           });
      case FilterOp::kNe: {
        Filter equal = filter;
        equal.op = FilterOp::kEq;
        return (filter.path == "year" ? row.year.has_value() : !Texts(row, filter.path).empty()) &&
               !Meets(row, equal);
      }
      case FilterOp::kEq:
      case FilterOp::kIn:
        return std::any_of(
            filter.values.begin(), filter.values.end(), [&](const FilterValue& value) {
              if (filter.path == "year") return row.year && *row.year == std::get<int64_t>(value);
              const std::vector<std::string>& texts = Texts(row, filter.path);
              return std::count(texts.begin(), texts.end(), std::get<std::string>(value)) > 0;
            });
      case FilterOp::kLt:
        return row.year && *row.year < std::get<int64_t>(filter.values[0]);
      case FilterOp::kLe:
        return row.year && *row.year <= std::get<int64_t>(filter.values[0]);
      case FilterOp::kGt:
        return row.year && *row.year > std::get<int64_t>(filter.values[0]);
      case FilterOp::kGe:
        return row.year && *row.year >= std::get<int64_t>(filter.values[0]);
    }
    return false;
  }

 private:
  // Texts and filters are of words with one space after each.
  static bool Matches(const ReferenceRow& row, const Filter& filter) {
    const std::string& asked = std::get<std::string>(filter.values[0]);
    const auto has = [text = " " + row.texts.at("body")](const std::string& words) {
      return text.find(" " + words) != std::string::npos;
    };
    if (filter.op == FilterOp::kMatchPhrase) return has(asked);
    bool all = true;
    bool any = false;
    for (size_t begin = 0; begin < asked.size();) {
      const size_t end = asked.find(' ', begin) + 1;
      const bool found = has(asked.substr(begin, end - begin));
      all = all && found;
      any = any || found;
      begin = end;
    }
    return filter.op == FilterOp::kMatch ? all : any;
  }

  static const std::vector<std::string>& Texts(const ReferenceRow& row, const std::string& path) {
    return path == "lang" ? row.lang : row.authors;
  }
};

}  // namespace vouch
