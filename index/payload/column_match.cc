#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "index/payload/column.h"
#include "index/payload/numeric_range.h"

namespace vouch {
namespace {

std::optional<int64_t> DatetimeLiteral(const FilterValue& literal) {
  const auto* text = std::get_if<std::string>(&literal);
  if (text == nullptr) return std::nullopt;
  const absl::StatusOr<int64_t> micros = ParseDatetime(*text);
  if (!micros.ok()) return std::nullopt;
  return *micros;
}

template <typename T>
auto OneOf(std::vector<T> wanted) {
  std::sort(wanted.begin(), wanted.end());
  return [wanted = std::move(wanted)](T value) {
    return std::binary_search(wanted.begin(), wanted.end(), value);
  };
}

}  // namespace

template <typename T, typename Meets>
Bitmap Column::RowsWith(const std::vector<T>& values, Meets meets) const {
  Bitmap rows(rows_);
  if (ends_.empty()) {
    for (uint32_t row = 0; row < rows_; ++row) {
      if (meets(values[row])) rows.Set(row);
    }
    return rows;
  }
  uint32_t begin = 0;
  for (uint32_t row = 0; row < rows_; ++row) {
    const uint32_t end = ends_[row];
    if (std::any_of(values.begin() + begin, values.begin() + end, std::cref(meets))) rows.Set(row);
    begin = end;
  }
  return rows;
}

Bitmap Column::RowsWithAny() const {
  if (ends_.empty()) return Bitmap(rows_, true);
  Bitmap rows(rows_);
  uint32_t begin = 0;
  for (uint32_t row = 0; row < rows_; ++row) {
    if (ends_[row] > begin) rows.Set(row);
    begin = ends_[row];
  }
  return rows;
}

Bitmap Column::Match(const Filter& filter) const {
  if (filter.op == FilterOp::kExists) return RowsWithAny();
  if (filter.op == FilterOp::kIn) return MatchIn(filter.values);
  if (filter.values.empty()) return Bitmap(rows_);
  if (filter.op != FilterOp::kNe) return MatchCompare(filter.op, filter.values[0]);
  Bitmap rows = MatchCompare(FilterOp::kEq, filter.values[0]);
  rows.Invert();
  rows.And(RowsWithAny());
  return rows;
}

Bitmap Column::MatchCompare(FilterOp op, const FilterValue& literal) const {
  switch (type_) {
    case PayloadType::kKeyword: {
      const auto* text = std::get_if<std::string>(&literal);
      return text == nullptr ? Bitmap(rows_) : MatchKeyword(op, *text);
    }
    case PayloadType::kInteger: {
      const auto range = IntegersMeeting(op, literal);
      if (!range.has_value()) return Bitmap(rows_);
      return RowsWith(integers_, [range](int64_t value) { return range->Contains(value); });
    }
    case PayloadType::kDatetime: {
      const std::optional<int64_t> micros = DatetimeLiteral(literal);
      if (!micros.has_value()) return Bitmap(rows_);
      const auto range = IntegersMeeting(op, *micros);
      if (!range.has_value()) return Bitmap(rows_);
      return RowsWith(integers_, [range](int64_t value) { return range->Contains(value); });
    }
    case PayloadType::kFloat: {
      const auto range = FloatsMeeting(op, literal);
      if (!range.has_value()) return Bitmap(rows_);
      return RowsWith(floats_, [range](double value) { return range->Contains(value); });
    }
    case PayloadType::kBool: {
      const auto* flag = std::get_if<bool>(&literal);
      if (flag == nullptr || op != FilterOp::kEq) return Bitmap(rows_);
      return RowsWith(bools_, [wanted = *flag](uint8_t value) { return (value != 0) == wanted; });
    }
  }
  return Bitmap(rows_);
}

Bitmap Column::MatchKeyword(FilterOp op, std::string_view literal) const {
  // Codes ascend as their keywords do, so that every comparison is a range [low, high) of codes.
  const size_t at = keywords_.LowerBound(literal);
  const size_t after = at < keywords_.size() && keywords_.term(at) == literal ? at + 1 : at;
  size_t low = 0;
  size_t high = keywords_.size();
  if (op == FilterOp::kEq || op == FilterOp::kGe) low = at;
  if (op == FilterOp::kGt) low = after;
  if (op == FilterOp::kEq || op == FilterOp::kLe) high = after;
  if (op == FilterOp::kLt) high = at;
  if (low >= high) return Bitmap(rows_);
  return RowsWith(codes_, [low, high](uint32_t code) { return low <= code && code < high; });
}

Bitmap Column::MatchIn(std::span<const FilterValue> literals) const {
  switch (type_) {
    case PayloadType::kKeyword: {
      Bitmap wanted(keywords_.size());
      for (const FilterValue& literal : literals) {
        const auto* text = std::get_if<std::string>(&literal);
        if (text == nullptr) continue;
        const size_t code = keywords_.Find(*text);
        if (code != TermDictionary::kNotFound) wanted.Set(code);
      }
      return RowsWith(codes_, [&wanted](uint32_t code) { return wanted.Test(code); });
    }
    case PayloadType::kInteger:
    case PayloadType::kDatetime: {
      std::vector<int64_t> wanted;
      for (const FilterValue& literal : literals) {
        if (type_ == PayloadType::kDatetime) {
          const std::optional<int64_t> micros = DatetimeLiteral(literal);
          if (micros.has_value()) wanted.push_back(*micros);
        } else if (const auto range = IntegersMeeting(FilterOp::kEq, literal)) {
          wanted.push_back(range->low);
        }
      }
      return RowsWith(integers_, OneOf(std::move(wanted)));
    }
    case PayloadType::kFloat: {
      std::vector<double> wanted;
      for (const FilterValue& literal : literals) {
        if (const auto range = FloatsMeeting(FilterOp::kEq, literal)) wanted.push_back(range->low);
      }
      return RowsWith(floats_, OneOf(std::move(wanted)));
    }
    case PayloadType::kBool: {
      bool wanted[2] = {false, false};
      for (const FilterValue& literal : literals) {
        if (const auto* flag = std::get_if<bool>(&literal)) wanted[*flag ? 1 : 0] = true;
      }
      return RowsWith(bools_, [&wanted](uint8_t value) { return wanted[value]; });
    }
  }
  return Bitmap(rows_);
}

}  // namespace vouch
