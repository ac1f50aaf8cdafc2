#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/limits.h"
#include "query/filter_parser.h"

namespace vouch {
namespace {

Filter FilterWith(FilterOp op, std::string path = "") {
  Filter filter;
  filter.op = op;
  filter.path = std::move(path);
  return filter;
}

absl::StatusOr<FilterOp> OperatorOf(v1::Comparison::Operator op, const std::string& path) {
  switch (op) {
    case v1::Comparison::EQ:
      return FilterOp::kEq;
    case v1::Comparison::NE:
      return FilterOp::kNe;
    case v1::Comparison::LT:
      return FilterOp::kLt;
    case v1::Comparison::LE:
      return FilterOp::kLe;
    case v1::Comparison::GT:
      return FilterOp::kGt;
    case v1::Comparison::GE:
      return FilterOp::kGe;
    case v1::Comparison::IN:
      return FilterOp::kIn;
    default:
      return absl::InvalidArgumentError(absl::StrCat("filter: the comparison of '", path,
                                                     "' has the unknown operator ", int{op},
                                                     "; there are EQ, NE, LT, LE, GT, GE, IN"));
  }
}

absl::StatusOr<Filter> ComparisonOf(const v1::Comparison& message) {
  absl::StatusOr<FilterOp> op = OperatorOf(message.op(), message.path());
  if (!op.ok()) return op.status();
  if (message.path().empty()) return absl::InvalidArgumentError("filter: a comparison has no path");
  if (*op != FilterOp::kIn && message.values_size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("filter: the comparison of '", message.path(),
                                                   "' has ", message.values_size(),
                                                   " values; it takes exactly 1 (IN takes many)"));
  }
  Filter filter = FilterWith(*op, message.path());
  for (const v1::Value& value : message.values()) {
    switch (value.kind_case()) {
      case v1::Value::kBoolean:
        filter.values.emplace_back(value.boolean());
        break;
      case v1::Value::kInteger:
        filter.values.emplace_back(int64_t{value.integer()});
        break;
      case v1::Value::kNumber:
        filter.values.emplace_back(value.number());
        break;
      case v1::Value::kText:
        filter.values.emplace_back(value.text());
        break;
      case v1::Value::KIND_NOT_SET:
        return absl::InvalidArgumentError(
            absl::StrCat("filter: a value in the comparison of '", message.path(), "' is not set"));
    }
  }
  return filter;
}

absl::StatusOr<Filter> GeoFilter(FilterOp op, const std::string& path, std::initializer_list<const v1::GeoPoint*> points) {
  if (path.empty()) return absl::InvalidArgumentError("filter: a geo condition has no path");
  Filter filter = FilterWith(op, path);
  for (const v1::GeoPoint* point : points) {
    filter.values.emplace_back(point->lat());
    filter.values.emplace_back(point->lon());
  }
  return filter;
}

// A point that is not set would be one in the Gulf of Guinea.
absl::Status Missing(const std::string& path, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("filter: the condition on '", path, "' has no ", what));
}

absl::StatusOr<Filter> RadiusOf(const v1::WithinRadius& message) {
  if (!message.has_center()) return Missing(message.path(), "center");
  absl::StatusOr<Filter> filter = GeoFilter(FilterOp::kWithinRadius, message.path(), {&message.center()});
  if (filter.ok()) filter->values.emplace_back(message.radius_metres());
  return filter;
}

absl::StatusOr<Filter> BoxOf(const v1::WithinBox& message) {
  if (!message.has_south_west()) return Missing(message.path(), "south_west");
  if (!message.has_north_east()) return Missing(message.path(), "north_east");
  return GeoFilter(FilterOp::kWithinBox, message.path(), {&message.south_west(), &message.north_east()});
}

absl::StatusOr<Filter> PolygonOf(const v1::WithinPolygon& message) {
  absl::StatusOr<Filter> filter = GeoFilter(FilterOp::kWithinPolygon, message.path(), {});
  if (!filter.ok()) return filter;
  if (message.points_size() < 3) {
    return absl::InvalidArgumentError(absl::StrCat("filter: the polygon of '", message.path(), "' has ",
                                                   message.points_size(), " points; it takes 3 at least"));
  }
  for (const v1::GeoPoint& point : message.points()) {
    filter->values.emplace_back(point.lat());
    filter->values.emplace_back(point.lon());
  }
  return filter;
}

absl::StatusOr<Filter> MatchOf(const v1::WordMatch& message) {
  if (message.path().empty()) return absl::InvalidArgumentError("filter: a match has no path");
  FilterOp op = FilterOp::kMatch;
  switch (message.mode()) {
    case v1::WordMatch::MODE_UNSPECIFIED:
    case v1::WordMatch::ALL:
      break;
    case v1::WordMatch::ANY:
      op = FilterOp::kMatchAny;
      break;
    case v1::WordMatch::PHRASE:
      op = FilterOp::kMatchPhrase;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat("filter: the match of '", message.path(), "' has the unknown mode ",
                                                     int{message.mode()}, "; there are ALL, ANY, PHRASE"));
  }
  Filter filter = FilterWith(op, message.path());
  filter.values.emplace_back(message.text());
  return filter;
}

absl::StatusOr<Filter> Convert(const v1::Filter& message, uint32_t depth);

absl::StatusOr<Filter> ConvertList(FilterOp op, const v1::FilterList& list, uint32_t depth) {
  Filter filter = FilterWith(op);
  for (const v1::Filter& child : list.filters()) {
    absl::StatusOr<Filter> converted = Convert(child, depth + 1);
    if (!converted.ok()) return converted.status();
    filter.children.push_back(*std::move(converted));
  }
  return filter;
}

absl::StatusOr<Filter> Convert(const v1::Filter& message, uint32_t depth) {
  if (depth > ApiLimits::kMaxFilterDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("filter: nested deeper than ", ApiLimits::kMaxFilterDepth));
  }
  switch (message.kind_case()) {
    case v1::Filter::kExpression:
      return ParseFilter(message.expression());
    case v1::Filter::kComparison:
      return ComparisonOf(message.comparison());
    case v1::Filter::kAllOf:
      return ConvertList(FilterOp::kAnd, message.all_of(), depth);
    case v1::Filter::kAnyOf:
      return ConvertList(FilterOp::kOr, message.any_of(), depth);
    case v1::Filter::kNegate: {
      absl::StatusOr<Filter> child = Convert(message.negate(), depth + 1);
      if (!child.ok()) return child.status();
      Filter filter = FilterWith(FilterOp::kNot);
      filter.children.push_back(*std::move(child));
      return filter;
    }
    case v1::Filter::kExists: {
      if (message.exists().empty())
        return absl::InvalidArgumentError("filter: `exists` has no path");
      return FilterWith(FilterOp::kExists, message.exists());
    }
    case v1::Filter::kHasId: {
      Filter filter = FilterWith(FilterOp::kHasId);
      for (const v1::PointId& id : message.has_id().ids()) {
        absl::StatusOr<PointId> point = PointIdOf(id);
        if (!point.ok()) return point.status();
        filter.values.emplace_back(point->ToString());
      }
      return filter;
    }
    case v1::Filter::kWithinRadius:
      return RadiusOf(message.within_radius());
    case v1::Filter::kWithinBox:
      return BoxOf(message.within_box());
    case v1::Filter::kWithinPolygon:
      return PolygonOf(message.within_polygon());
    case v1::Filter::kMatch:
      return MatchOf(message.match());
    case v1::Filter::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "filter: a condition without content; leave the filter out to allow everything");
}

}  // namespace

absl::StatusOr<Filter> FilterOf(const v1::Filter& message) { return Convert(message, 1); }

}  // namespace vouch
