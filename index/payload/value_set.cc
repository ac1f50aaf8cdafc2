#include "index/payload/value_set.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vouch {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

bool Touches(int64_t high, int64_t low) { return low <= high || low - 1 == high; }
bool Touches(double high, double low) {
  return low <= high || low == std::nextafter(high, std::numeric_limits<double>::infinity());
}

template <typename T>
void NormalizeNumbers(std::vector<NumericRange<T>>& set) {
  std::erase_if(set, [](const NumericRange<T>& range) { return !(range.low <= range.high); });
  std::sort(set.begin(), set.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
  size_t kept = 0;
  for (const NumericRange<T>& range : set) {
    if (kept > 0 && Touches(set[kept - 1].high, range.low)) {
      set[kept - 1].high = std::max(set[kept - 1].high, range.high);
    } else {
      set[kept++] = range;
    }
  }
  set.resize(kept);
}

template <typename T>
std::strong_ordering Order(const T& a, const T& b) {
  return a < b   ? std::strong_ordering::less
         : b < a ? std::strong_ordering::greater
                 : std::strong_ordering::equal;
}

template <typename T>
std::strong_ordering CompareRange(const NumericRange<T>& a, const NumericRange<T>& b) {
  const std::strong_ordering low = Order(a.low, b.low);
  return low != 0 ? low : Order(a.high, b.high);
}

// A range without an end comes after those with the same begin.
std::strong_ordering CompareRange(const TextRange& a, const TextRange& b) {
  if (const std::strong_ordering low = Order(a.low, b.low); low != 0) return low;
  if (a.high.has_value() != b.high.has_value()) {
    return a.high.has_value() ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  return a.high.has_value() ? Order(*a.high, *b.high) : std::strong_ordering::equal;
}

std::strong_ordering CompareRange(const GeoShape& a, const GeoShape& b) { return Order(a, b); }

}  // namespace

void Normalize(IntegerSet& set) { NormalizeNumbers(set); }

void Normalize(FloatSet& set) {
  // Values are finite, so that a range up to infinity is one up to the largest float.
  for (NumericRange<double>& range : set) {
    range.low = std::max(range.low + 0.0, -kLargest);
    range.high = std::min(range.high + 0.0, kLargest);
  }
  NormalizeNumbers(set);
}

void Normalize(TextSet& set) {
  std::erase_if(set, [](const TextRange& range) { return range.high.has_value() && *range.high <= range.low; });
  std::sort(set.begin(), set.end(), [](const TextRange& a, const TextRange& b) { return a.low < b.low; });
  size_t kept = 0;
  for (size_t i = 0; i < set.size(); ++i) {
    if (kept > 0 && (!set[kept - 1].high.has_value() || set[i].low <= *set[kept - 1].high)) {
      std::optional<std::string>& high = set[kept - 1].high;
      if (high.has_value() && (!set[i].high.has_value() || *high < *set[i].high)) high = std::move(set[i].high);
    } else {
      if (kept != i) set[kept] = std::move(set[i]);
      ++kept;
    }
  }
  set.resize(kept);
}

void Normalize(GeoSet& set) {
  std::sort(set.begin(), set.end());
  set.erase(std::unique(set.begin(), set.end()), set.end());
  const GeoShape earth = GeoShape::Earth();
  if (std::find(set.begin(), set.end(), earth) != set.end()) set = {earth};
}

void Normalize(ValueSet& set) {
  std::visit([](auto& ranges) { Normalize(ranges); }, set);
}

void Append(ValueSet& set, const ValueSet& other) {
  std::visit(
      [&](auto& ranges) {
        const auto& added = std::get<std::remove_reference_t<decltype(ranges)>>(other);
        ranges.insert(ranges.end(), added.begin(), added.end());
      },
      set);
}

bool IsEmpty(const ValueSet& set) {
  return std::visit([](const auto& ranges) { return ranges.empty(); }, set);
}

bool IsEverything(const ValueSet& set) {
  if (const auto* integers = std::get_if<IntegerSet>(&set)) {
    return integers->size() == 1 && integers->front().low == std::numeric_limits<int64_t>::min() &&
           integers->front().high == std::numeric_limits<int64_t>::max();
  }
  if (const auto* floats = std::get_if<FloatSet>(&set)) {
    return floats->size() == 1 && floats->front().low == -kLargest && floats->front().high == kLargest;
  }
  if (const auto* shapes = std::get_if<GeoSet>(&set)) {
    return shapes->size() == 1 && shapes->front() == GeoShape::Earth();
  }
  const auto& texts = std::get<TextSet>(set);
  return texts.size() == 1 && texts.front().low.empty() && !texts.front().high.has_value();
}

std::strong_ordering Compare(const ValueSet& a, const ValueSet& b) {
  if (a.index() != b.index()) return Order(a.index(), b.index());
  return std::visit(
      [&](const auto& left) {
        const auto& right = std::get<std::remove_cvref_t<decltype(left)>>(b);
        return std::lexicographical_compare_three_way(
            left.begin(), left.end(), right.begin(), right.end(),
            [](const auto& x, const auto& y) { return CompareRange(x, y); });
      },
      a);
}

}  // namespace vouch
