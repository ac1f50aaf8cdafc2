// How conditions meet a column: sets of values as ranges of codes, and those as rows.
#include <algorithm>

#include "index/payload/column.h"
#include "index/payload/geo_cells.h"

namespace vouch {
namespace {

bool InRanges(uint32_t code, std::span<const CodeRange> ranges) {
  if (ranges.size() == 1) return code - ranges[0].low < ranges[0].high - ranges[0].low;
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), code,
                                      [](uint32_t c, const CodeRange& range) { return c < range.low; });
  return after != ranges.begin() && code < (after - 1)->high;
}

void AddRange(size_t low, size_t high, std::vector<CodeRange>& ranges) {
  if (low >= high) return;
  // Sets that do not touch may have no value between them here.
  if (!ranges.empty() && ranges.back().high == low) {
    ranges.back().high = static_cast<uint32_t>(high);
  } else {
    ranges.push_back({static_cast<uint32_t>(low), static_cast<uint32_t>(high)});
  }
}

template <typename T>
void AddNumbers(const std::vector<NumericRange<T>>& set, const std::vector<T>& dictionary,
                std::vector<CodeRange>& ranges) {
  auto from = dictionary.begin();
  for (const NumericRange<T>& range : set) {
    const auto low = std::lower_bound(from, dictionary.end(), range.low);
    const auto high = range.low == range.high ? low + (low != dictionary.end() && *low == range.low ? 1 : 0)
                                              : std::upper_bound(low, dictionary.end(), range.high);
    AddRange(static_cast<size_t>(low - dictionary.begin()), static_cast<size_t>(high - dictionary.begin()), ranges);
    from = high;
  }
}

// One value a row: 64 rows a word, so that no bit is set by itself.
template <typename Code>
void ScanSingle(const std::vector<Code>& codes, std::span<const CodeRange> ranges, std::span<uint64_t> words) {
  for (size_t row = 0; row < codes.size();) {
    const size_t end = std::min(codes.size(), row + 64);
    uint64_t word = 0;
    for (size_t bit = 0; row < end; ++row, ++bit) word |= uint64_t{InRanges(codes[row], ranges)} << bit;
    words[(row - 1) / 64] |= word;
  }
}

}  // namespace

std::vector<CodeRange> Column::CodesIn(const ValueSet& values) const {
  std::vector<CodeRange> ranges;
  if (const auto* texts = std::get_if<TextSet>(&values)) {
    for (const TextRange& range : *texts) {
      const size_t low = keywords_.LowerBound(range.low);
      AddRange(low, range.high ? keywords_.LowerBound(*range.high) : keywords_.size(), ranges);
    }
  } else if (const auto* integers = std::get_if<IntegerSet>(&values)) {
    AddNumbers(*integers, integers_, ranges);
  } else if (const auto* shapes = std::get_if<GeoSet>(&values)) {
    return PointsWithin(*shapes, points_);
  } else {
    AddNumbers(std::get<FloatSet>(values), floats_, ranges);
  }
  return ranges;
}

RowBounds Column::Bounds(std::span<const CodeRange> ranges) const {
  if (ranges.empty()) return {0, 0};
  if (index_ == nullptr) return {0, rows_};
  if (ranges.size() == 1) return index_->Bounds(ranges[0]);
  RowBounds all;
  for (const CodeRange& range : ranges) {
    const RowBounds bounds = index_->Bounds(range);
    all.lower = index_->single() ? all.lower + bounds.lower : std::max(all.lower, bounds.lower);
    all.upper += bounds.upper;
  }
  all.upper = std::min(all.upper, index_->present_rows());
  return all;
}

void Column::AddRows(std::span<const CodeRange> ranges, bool rows_empty, Bitmap& rows) const {
  if (ranges.empty()) return;
  if (index_ != nullptr) {
    for (const CodeRange& range : ranges) {
      index_->AddRows(range, rows_empty, rows);
      rows_empty = false;
    }
    return;
  }
  if (!ends_.empty()) {
    for (uint32_t row = 0; row < rows_; ++row) {
      if (RowMeets(row, ranges)) rows.Set(row);
    }
    return;
  }
  codes_.Visit([&](const auto& codes) { ScanSingle(codes, ranges, rows.mutable_words()); });
}

bool Column::RowMeets(uint32_t row, std::span<const CodeRange> ranges) const {
  if (ends_.empty()) return InRanges(codes_[row], ranges);
  for (uint32_t i = row == 0 ? 0 : ends_[row - 1]; i < ends_[row]; ++i) {
    if (InRanges(codes_[i], ranges)) return true;
  }
  return false;
}

bool Column::RowHasPhrase(uint32_t row, std::span<const uint32_t> codes) const {
  const Places places = PlacesOf(row);
  for (uint32_t begin = places.begin; begin + codes.size() <= places.end; ++begin) {
    size_t same = 0;
    while (same < codes.size() && codes_[begin + same] == codes[same]) ++same;
    if (same == codes.size()) return true;
  }
  return false;
}

}  // namespace vouch
