#pragma once

// Random payloads and filters, and an evaluator that looks at one row at a time.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/index/payload/naive_geo.h"
#include "tests/index/payload/payload_fixture.h"

namespace vouch {

// Exact for what the test makes of numbers: x87's long double holds every int64 and double.
inline int Order(const PayloadValue& value, const FilterValue& literal, PayloadType type) {
  const auto sign = [](const auto& a, const auto& b) { return a < b ? -1 : b < a ? 1 : 0; };
  const auto number = [](const auto& v) -> long double {
    if (const auto* integer = std::get_if<int64_t>(&v)) return *integer;
    return std::get<double>(v);
  };
  switch (type) {
    case PayloadType::kKeyword:
      return sign(std::get<std::string>(value), std::get<std::string>(literal));
    case PayloadType::kBool:
      return sign(std::get<bool>(value), std::get<bool>(literal));
    case PayloadType::kDatetime:
      return sign(std::get<int64_t>(value), ParseDatetime(std::get<std::string>(literal)).value());
    case PayloadType::kInteger:
    case PayloadType::kFloat:
      break;
    case PayloadType::kGeo:
    case PayloadType::kText:
      return 1;  // no comparison is made of these
  }
  return sign(number(value), number(literal));
}

// Words are the letters that the generator makes.
inline bool NaiveMatches(const std::vector<PayloadValue>& values, const Filter& filter) {
  const std::vector<std::string> words =
      absl::StrSplit(std::get<std::string>(filter.values[0]), ' ', absl::SkipEmpty());
  std::string row = " ";
  for (const PayloadValue& value : values) {
    const std::string& word = std::get<std::string>(value);
    row += word.empty() ? "| " : word + " ";
  }
  const auto has = [&](const std::string& part) { return row.find(absl::StrCat(" ", part, " ")) != std::string::npos; };
  if (filter.op == FilterOp::kMatchPhrase) return has(absl::StrJoin(words, " "));
  if (filter.op == FilterOp::kMatch) return std::all_of(words.begin(), words.end(), has);
  return std::any_of(words.begin(), words.end(), has);
}

inline bool NaiveMeets(const CollectionSchema& schema, const TypedPayload& row, const Filter& filter) {
  const auto child_meets = [&](const Filter& child) { return NaiveMeets(schema, row, child); };
  switch (filter.op) {
    case FilterOp::kAnd:
      return std::all_of(filter.children.begin(), filter.children.end(), child_meets);
    case FilterOp::kOr:
      return std::any_of(filter.children.begin(), filter.children.end(), child_meets);
    case FilterOp::kNot:
      return !child_meets(filter.children[0]);
    default:
      break;
  }
  const int field =
      static_cast<int>(std::find_if(schema.payload.begin(), schema.payload.end(),
                                    [&](const PayloadField& f) { return f.path == filter.path; }) -
                       schema.payload.begin());
  const PayloadType type = schema.payload[field].type;
  const std::vector<PayloadValue>& values = row.fields[field];
  const auto any = [&](auto holds) {
    return std::any_of(values.begin(), values.end(), [&](const PayloadValue& value) {
      return std::any_of(
          filter.values.begin(), filter.values.end(),
          [&](const FilterValue& literal) { return holds(Order(value, literal, type)); });
    });
  };
  if (IsMatch(filter.op)) return NaiveMatches(values, filter);
  if (IsWithin(filter.op)) {
    return std::any_of(values.begin(), values.end(),
                       [&](const PayloadValue& value) { return NaiveWithin(filter, std::get<GeoPoint>(value)); });
  }
  switch (filter.op) {
    case FilterOp::kExists:
      return !values.empty();
    case FilterOp::kEq:
    case FilterOp::kIn:
      return any([](int order) { return order == 0; });
    case FilterOp::kNe:
      return !values.empty() && !any([](int order) { return order == 0; });
    case FilterOp::kLt:
      return any([](int order) { return order < 0; });
    case FilterOp::kLe:
      return any([](int order) { return order <= 0; });
    case FilterOp::kGt:
      return any([](int order) { return order > 0; });
    default:
      return any([](int order) { return order >= 0; });
  }
}

class Generator {
 public:
  Generator(uint64_t seed, const CollectionSchema& schema) : random_(seed), schema_(schema) {}

  uint64_t Below(uint64_t n) { return random_() % n; }

  TypedPayload Row() {
    TypedPayload row;
    for (const PayloadField& field : schema_.payload) {
      std::vector<PayloadValue>& values = row.fields.emplace_back();
      // Mostly one value, so that columns with and without ends come up.
      const uint64_t count = Below(4) > 0 || single_valued_ ? 1 : Below(4);
      for (uint64_t i = 0; i < count; ++i) {
        if (field.type == PayloadType::kText) {
          for (uint64_t words = Below(6); words > 0; --words) values.push_back(Word());
          values.push_back(std::string());
        } else {
          values.push_back(Value(field.type));
        }
      }
    }
    return row;
  }
  Filter Tree(int depth) {
    if (depth > 0 && Below(3) > 0) {
      const FilterOp op = std::vector{FilterOp::kAnd, FilterOp::kOr, FilterOp::kNot}[Below(3)];
      Filter filter{.op = op};
      const uint64_t children = op == FilterOp::kNot ? 1 : Below(4);
      for (uint64_t i = 0; i < children; ++i) filter.children.push_back(Tree(depth - 1));
      return filter;
    }
    const PayloadField& field = schema_.payload[Below(schema_.payload.size())];
    if (field.type == PayloadType::kGeo && Below(8) > 0) return Area(field.path);
    if (field.type == PayloadType::kText && Below(8) > 0) return Match(field.path);
    if (field.type == PayloadType::kGeo || field.type == PayloadType::kText) {
      return Leaf(FilterOp::kExists, field.path);
    }
    std::vector<FilterOp> ops = {FilterOp::kEq, FilterOp::kNe, FilterOp::kIn, FilterOp::kExists};
    if (field.type != PayloadType::kBool) {
      ops.insert(ops.end(), {FilterOp::kLt, FilterOp::kLe, FilterOp::kGt, FilterOp::kGe});
    }
    Filter leaf{.op = ops[Below(ops.size())], .path = field.path};
    const uint64_t literals = leaf.op == FilterOp::kExists ? 0
                              : leaf.op == FilterOp::kIn   ? Below(4)
                                                           : 1;
    for (uint64_t i = 0; i < literals; ++i) leaf.values.push_back(Literal(field.type));
    return leaf;
  }
  Filter Area(const std::string& path) {
    if (Below(3) == 0) {
      const GeoPoint center = Point();
      const double metres = static_cast<double>(random_() % 1'000'000'000) / 1e9 * (Below(2) == 0 ? 2.1e7 : 2e6);
      return Leaf(FilterOp::kWithinRadius, path, {center.lat, center.lon, metres});
    }
    if (Below(2) == 0) {
      const double south = Degree(90);
      const double north = south + static_cast<double>(Below(static_cast<uint64_t>(91 - south)));
      return Leaf(FilterOp::kWithinBox, path, {south, Degree(180), north, Degree(180)});
    }
    // A star about a point: edges cross, and the antimeridian may.
    Filter filter = Leaf(FilterOp::kWithinPolygon, path);
    const double lat = Degree(60);
    const double lon = Degree(180);
    for (uint64_t points = 3 + Below(6); points > 0; --points) {
      double x = lon + Degree(40);
      x += x > 180 ? -360 : x < -180 ? 360 : 0;
      filter.values.emplace_back(lat + Degree(30));
      filter.values.emplace_back(x);
    }
    return filter;
  }
  Filter Match(const std::string& path) {
    const FilterOp op = std::vector{FilterOp::kMatch, FilterOp::kMatchAny, FilterOp::kMatchPhrase}[Below(3)];
    std::vector<std::string> words(1 + Below(3));
    for (std::string& word : words) word = Word();
    return Leaf(op, path, {absl::StrJoin(words, " ")});
  }
  // A whole number of degrees, at most `most` on either side of 0.
  double Degree(uint64_t most) { return static_cast<double>(Below(2 * most + 1)) - static_cast<double>(most); }

  void SetSingleValued(bool single) { single_valued_ = single; }
  // Values are drawn from so many; 0: from few that are hard.
  void SetSpread(uint64_t spread) { spread_ = spread; }

 private:
  int64_t Integer() {
    if (spread_ > 0) return static_cast<int64_t>(Below(spread_));
    constexpr int64_t kTwoTo53 = int64_t{1} << 53;
    return Below(3) == 0 ? kTwoTo53 - 2 + static_cast<int64_t>(Below(5))
                         : static_cast<int64_t>(Below(6)) - 2;
  }
  double Float() {
    if (spread_ > 0) return static_cast<double>(Below(spread_)) / 4;
    return Below(3) == 0 ? static_cast<double>(Integer()) : static_cast<double>(Below(12)) / 2 - 2;
  }
  std::string Keyword() {
    if (spread_ > 0) return absl::StrCat("k", Below(spread_));
    return std::vector<std::string>{"", "a", "ab", "b", "\u00e9", "z"}[Below(6)];
  }

  std::string Word() { return std::string(1, static_cast<char>('a' + Below(spread_ > 26 ? 26 : 4))); }
  GeoPoint Point() {
    // Whole degrees meet borders; others fill the cells between.
    if (spread_ < 1000) return CanonicalPoint(Degree(90), Degree(180));
    const auto part = [&] { return static_cast<double>(random_() >> 11) * 0x1p-53; };
    if (Below(2) == 0) return CanonicalPoint(part() * 180 - 90, part() * 360 - 180);
    return CanonicalPoint(52 + part(), 13 + part());
  }

  // Inlined, GCC 12 takes the variant's bytes for uninitialised.
  [[gnu::noinline]] PayloadValue Value(PayloadType type) {
    switch (type) {
      case PayloadType::kKeyword:
        return Keyword();
      case PayloadType::kInteger:
        return Integer();
      case PayloadType::kFloat:
        return Float();
      case PayloadType::kBool:
        return Below(2) == 0;
      case PayloadType::kGeo:
        return Point();
      case PayloadType::kText:
      case PayloadType::kDatetime:
        break;
    }
    return static_cast<int64_t>(Below(4)) * 500'000;
  }
  FilterValue Literal(PayloadType type) {
    switch (type) {
      case PayloadType::kKeyword:
        return Keyword();
      case PayloadType::kInteger:
      case PayloadType::kFloat:
        if (Below(2) == 0) return Integer();
        return Float();
      case PayloadType::kBool:
        return Below(2) == 0;
      case PayloadType::kGeo:
      case PayloadType::kText:
      case PayloadType::kDatetime:
        break;
    }
    return absl::StrCat("1970-01-01T00:00:0", Below(2), ".", Below(2) * 5, "Z");
  }

  std::mt19937_64 random_;
  const CollectionSchema& schema_;
  bool single_valued_ = false;
  uint64_t spread_ = 0;
};

}  // namespace vouch
