#include "index/payload/column.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "index/payload/geo_cells.h"

namespace vouch {
namespace {

absl::Status Corrupt(const char* what) {
  return absl::DataLossError(absl::StrCat("payload column: ", what));
}

template <typename T>
void SortUnique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

template <typename T>
uint32_t PlaceOf(const std::vector<T>& dictionary, T value) {
  return static_cast<uint32_t>(std::lower_bound(dictionary.begin(), dictionary.end(), value) -
                               dictionary.begin());
}

// Calls visit with each value of the field, row after row, and after_row after each row.
template <typename Visit, typename AfterRow>
void ForEachValue(size_t field, std::span<const TypedPayload* const> rows, Visit visit,
                  AfterRow after_row) {
  for (const TypedPayload* row : rows) {
    if (row != nullptr && field < row->fields.size()) {
      for (const PayloadValue& value : row->fields[field]) visit(value);
    }
    after_row();
  }
}

bool IsInteger(PayloadType type) {
  return type == PayloadType::kInteger || type == PayloadType::kDatetime ||
         type == PayloadType::kBool;
}

}  // namespace

size_t Column::distinct() const {
  switch (type_) {
    case PayloadType::kKeyword:
    case PayloadType::kText:
      return keywords_.size();
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
    case PayloadType::kBool:
      return integers_.size();
    case PayloadType::kFloat:
      return floats_.size();
    case PayloadType::kGeo:
      return points_.size();
  }
  return 0;
}

void Column::Finish() {
  bool one_each = !ends_.empty();
  for (uint32_t row = 0; row < rows_ && one_each; ++row) one_each = ends_[row] == row + 1;
  if (one_each || rows_ == 0) std::vector<uint32_t>().swap(ends_);
  if (rows_ < ValueIndex::kMinRows) return;
  index_ = ValueIndex::Build(codes_, ends_, rows_, static_cast<uint32_t>(distinct()));
}

template <typename T>
void Column::BuildNumbers(const std::vector<T>& values, std::vector<T>& dictionary) {
  dictionary = values;
  SortUnique(dictionary);
  dictionary.shrink_to_fit();
  codes_ = CodeArray(values.size(), dictionary.size());
  for (size_t i = 0; i < values.size(); ++i) codes_.Set(i, PlaceOf(dictionary, values[i]));
}

void Column::BuildKeywords(size_t field, std::span<const TypedPayload* const> rows) {
  std::vector<std::string_view> values;
  std::vector<std::string_view> distinct;
  absl::flat_hash_map<std::string_view, uint32_t> codes;
  ForEachValue(
      field, rows,
      [&](const PayloadValue& value) {
        const auto* text = std::get_if<std::string>(&value);
        if (text == nullptr) return;
        values.push_back(*text);
        if (codes.try_emplace(*text, 0).second) distinct.push_back(*text);
      },
      [&] { ends_.push_back(static_cast<uint32_t>(values.size())); });
  std::sort(distinct.begin(), distinct.end());
  for (std::string_view keyword : distinct) {
    codes[keyword] = static_cast<uint32_t>(keywords_.size());
    keywords_.Append(keyword);
  }
  keywords_.ShrinkToFit();
  codes_ = CodeArray(values.size(), keywords_.size());
  for (size_t i = 0; i < values.size(); ++i) codes_.Set(i, codes[values[i]]);
}

uint32_t Column::PlaceOfPoint(const GeoPoint& point) const {
  return static_cast<uint32_t>(std::lower_bound(points_.begin(), points_.end(), point, ComesBeforeOnCurve) -
                               points_.begin());
}

void Column::BuildPoints(size_t field, std::span<const TypedPayload* const> rows) {
  std::vector<GeoPoint> values;
  ForEachValue(
      field, rows,
      [&](const PayloadValue& value) {
        if (const auto* point = std::get_if<GeoPoint>(&value)) values.push_back(*point);
      },
      [&] { ends_.push_back(static_cast<uint32_t>(values.size())); });
  points_ = values;
  std::sort(points_.begin(), points_.end(), ComesBeforeOnCurve);
  points_.erase(std::unique(points_.begin(), points_.end()), points_.end());
  points_.shrink_to_fit();
  codes_ = CodeArray(values.size(), points_.size());
  for (size_t i = 0; i < values.size(); ++i) codes_.Set(i, PlaceOfPoint(values[i]));
}

Column Column::Build(PayloadType type, size_t field, std::span<const TypedPayload* const> rows) {
  Column column(type);
  column.rows_ = static_cast<uint32_t>(rows.size());
  column.ends_.reserve(rows.size());
  std::vector<int64_t> integers;
  std::vector<double> floats;
  switch (type) {
    case PayloadType::kKeyword:
    case PayloadType::kText:
      column.BuildKeywords(field, rows);
      break;
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
    case PayloadType::kBool:
      ForEachValue(
          field, rows,
          [&](const PayloadValue& value) {
            const auto* integer = std::get_if<int64_t>(&value);
            const auto* flag = std::get_if<bool>(&value);
            if (type == PayloadType::kBool && flag != nullptr) integers.push_back(*flag ? 1 : 0);
            if (type != PayloadType::kBool && integer != nullptr) integers.push_back(*integer);
          },
          [&] { column.ends_.push_back(static_cast<uint32_t>(integers.size())); });
      column.BuildNumbers(integers, column.integers_);
      break;
    case PayloadType::kFloat:
      ForEachValue(
          field, rows,
          [&](const PayloadValue& value) {
            // + 0.0 makes -0.0 the 0.0 that it equals.
            if (const auto* real = std::get_if<double>(&value)) floats.push_back(*real + 0.0);
          },
          [&] { column.ends_.push_back(static_cast<uint32_t>(floats.size())); });
      column.BuildNumbers(floats, column.floats_);
      break;
    case PayloadType::kGeo:
      column.BuildPoints(field, rows);
      break;
  }
  column.Finish();
  return column;
}

std::vector<std::vector<uint32_t>> Column::MergeDictionaries(
    std::span<const Column* const> parts) {
  std::vector<std::string_view> keywords;
  for (const Column* part : parts) {
    for (size_t i = 0; i < part->keywords_.size(); ++i) keywords.push_back(part->keywords_.term(i));
    integers_.insert(integers_.end(), part->integers_.begin(), part->integers_.end());
    floats_.insert(floats_.end(), part->floats_.begin(), part->floats_.end());
    points_.insert(points_.end(), part->points_.begin(), part->points_.end());
  }
  SortUnique(keywords);
  for (std::string_view keyword : keywords) keywords_.Append(keyword);
  keywords_.ShrinkToFit();
  SortUnique(integers_);
  SortUnique(floats_);
  std::sort(points_.begin(), points_.end(), ComesBeforeOnCurve);
  points_.erase(std::unique(points_.begin(), points_.end()), points_.end());
  integers_.shrink_to_fit();
  floats_.shrink_to_fit();
  points_.shrink_to_fit();
  const bool words = type_ == PayloadType::kKeyword || type_ == PayloadType::kText;
  std::vector<std::vector<uint32_t>> codes;
  for (const Column* part : parts) {
    std::vector<uint32_t>& of_part = codes.emplace_back(part->distinct());
    for (size_t i = 0; i < of_part.size(); ++i) {
      of_part[i] = words ? static_cast<uint32_t>(keywords_.LowerBound(part->keywords_.term(i)))
                   : type_ == PayloadType::kFloat ? PlaceOf(floats_, part->floats_[i])
                   : type_ == PayloadType::kGeo   ? PlaceOfPoint(part->points_[i])
                                                  : PlaceOf(integers_, part->integers_[i]);
    }
  }
  return codes;
}

Column Column::Merge(PayloadType type, std::span<const Column* const> parts) {
  Column column(type);
  const std::vector<std::vector<uint32_t>> new_codes = column.MergeDictionaries(parts);
  size_t values = 0;
  for (const Column* part : parts) values += part->codes_.size();
  column.codes_ = CodeArray(values, column.distinct());
  uint32_t first = 0;
  for (size_t p = 0; p < parts.size(); ++p) {
    const Column& part = *parts[p];
    for (size_t i = 0; i < part.codes_.size(); ++i) {
      column.codes_.Set(first + i, new_codes[p][part.codes_[i]]);
    }
    for (uint32_t row = 0; row < part.rows_; ++row) {
      column.ends_.push_back(first + (part.ends_.empty() ? row + 1 : part.ends_[row]));
    }
    first += static_cast<uint32_t>(part.codes_.size());
    column.rows_ += part.rows_;
  }
  column.Finish();
  return column;
}

void Column::Write(FlatWriter* writer) const {
  writer->Number(static_cast<uint8_t>(type_));
  writer->Number<uint64_t>(codes_.size());
  writer->Number<uint32_t>(static_cast<uint32_t>(ends_.size()));
  writer->Array(ends_);
  if (type_ == PayloadType::kKeyword || type_ == PayloadType::kText) {
    keywords_.Write(writer);
  } else {
    writer->Number<uint64_t>(distinct());
    writer->Array(integers_);
    writer->Array(floats_);
    for (const GeoPoint& point : points_) {
      writer->Number(point.lat);
      writer->Number(point.lon);
    }
  }
  codes_.Write(writer);
}

absl::Status Column::Read(FlatReader* reader, uint32_t rows) {
  uint8_t type = 0;
  uint64_t values = 0;
  uint32_t ends = 0;
  if (!reader->Number(&type) || !reader->Number(&values) || !reader->Number(&ends)) {
    return Corrupt("the heading is cut short");
  }
  if (type != static_cast<uint8_t>(type_)) return Corrupt("another type than the schema's");
  if (ends != 0 && ends != rows) return Corrupt("the number of ends is not that of the rows");
  rows_ = rows;
  if (!reader->Array(ends, &ends_)) return Corrupt("the ends are cut short");
  uint32_t previous = 0;
  bool one_each = !ends_.empty();
  for (uint32_t row = 0; row < ends_.size(); ++row) {
    if (ends_[row] < previous) return Corrupt("the ends fall");
    previous = ends_[row];
    one_each = one_each && previous == row + 1;
  }
  if (one_each) return Corrupt("ends where every row has one value");
  if (values != (ends_.empty() ? uint64_t{rows} : previous)) {
    return Corrupt("the number of values is not what the rows have");
  }
  if (absl::Status status = ReadDictionary(reader); !status.ok()) return status;
  if (!codes_.Read(reader, values, distinct())) return Corrupt("the codes are cut short");
  if (absl::Status status = CheckCodes(); !status.ok()) return status;
  Finish();
  return absl::OkStatus();
}

absl::Status Column::ReadDictionary(FlatReader* reader) {
  if (type_ == PayloadType::kKeyword || type_ == PayloadType::kText) {
    if (!keywords_.Read(reader)) return Corrupt("the keywords are cut short or out of order");
    return absl::OkStatus();
  }
  if (type_ == PayloadType::kGeo) return ReadPoints(reader);
  uint64_t count = 0;
  if (!reader->Number(&count)) return Corrupt("the dictionary is cut short");
  const bool read = IsInteger(type_) ? reader->Array(count, &integers_)
                                     : reader->Array(count, &floats_);
  if (!read) return Corrupt("the dictionary is cut short");
  return CheckNumbers();
}

absl::Status Column::ReadPoints(FlatReader* reader) {
  uint64_t count = 0;
  std::vector<double> numbers;
  if (!reader->Number(&count) || count > ~uint32_t{0} || !reader->Array(2 * count, &numbers)) {
    return Corrupt("the points are cut short");
  }
  points_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const GeoPoint point{numbers[2 * i], numbers[2 * i + 1]};
    // False for NaN.
    if (!(point.lat >= -90 && point.lat <= 90 && point.lon >= -180 && point.lon < 180)) {
      return Corrupt("a point that is not on the earth");
    }
    if ((point.lat == 0 && std::signbit(point.lat)) || (point.lon == 0 && std::signbit(point.lon))) {
      return Corrupt("a point with a -0");
    }
    if (i > 0 && !ComesBeforeOnCurve(points_.back(), point)) return Corrupt("the points do not ascend");
    points_.push_back(point);
  }
  return absl::OkStatus();
}

absl::Status Column::CheckNumbers() const {
  for (size_t i = 0; i < floats_.size(); ++i) {
    if (!std::isfinite(floats_[i])) return Corrupt("a float that is not finite");
    if (floats_[i] == 0 && std::signbit(floats_[i])) return Corrupt("a float that is -0");
    if (i > 0 && !(floats_[i - 1] < floats_[i])) return Corrupt("the dictionary does not ascend");
  }
  for (size_t i = 0; i < integers_.size(); ++i) {
    if (i > 0 && integers_[i - 1] >= integers_[i]) return Corrupt("the dictionary does not ascend");
    if (type_ == PayloadType::kBool && (integers_[i] < 0 || integers_[i] > 1)) {
      return Corrupt("a bool that is neither 0 nor 1");
    }
  }
  return absl::OkStatus();
}

absl::Status Column::CheckCodes() const {
  std::vector<bool> used(distinct());
  bool above = false;
  codes_.Visit([&](const auto& codes) {
    for (const auto code : codes) {
      above = above || code >= used.size();
      if (!above) used[code] = true;
    }
  });
  if (above) return Corrupt("a code above the dictionary");
  if (std::find(used.begin(), used.end(), false) != used.end()) {
    return Corrupt("a value in the dictionary that no row has");
  }
  return absl::OkStatus();
}

size_t Column::memory_bytes() const {
  return sizeof(*this) + ends_.capacity() * sizeof(uint32_t) + keywords_.memory_bytes() +
         codes_.memory_bytes() + integers_.capacity() * sizeof(int64_t) +
         floats_.capacity() * sizeof(double) + points_.capacity() * sizeof(GeoPoint) + (index_ == nullptr ? 0 : index_->memory_bytes());
}

}  // namespace vouch
