#include "index/payload/column.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

absl::Status Corrupt(const char* what) {
  return absl::DataLossError(absl::StrCat("payload column: ", what));
}

template <typename T>
void AppendAll(const std::vector<T>& from, std::vector<T>* to) {
  to->insert(to->end(), from.begin(), from.end());
}

}  // namespace

size_t Column::value_count() const {
  switch (type_) {
    case PayloadType::kKeyword:
      return codes_.size();
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
      return integers_.size();
    case PayloadType::kFloat:
      return floats_.size();
    case PayloadType::kBool:
      return bools_.size();
  }
  return 0;
}

void Column::Append(const PayloadValue& value) {
  switch (type_) {
    case PayloadType::kKeyword:
      return;  // through SetKeywords, all at once
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
      if (const auto* integer = std::get_if<int64_t>(&value)) integers_.push_back(*integer);
      return;
    case PayloadType::kFloat:
      if (const auto* real = std::get_if<double>(&value)) floats_.push_back(*real);
      return;
    case PayloadType::kBool:
      if (const auto* flag = std::get_if<bool>(&value)) bools_.push_back(*flag ? 1 : 0);
      return;
  }
}

void Column::SetKeywords(std::span<const std::string_view> keywords) {
  std::vector<std::string_view> distinct;
  absl::flat_hash_map<std::string_view, uint32_t> codes;
  for (std::string_view keyword : keywords) {
    if (codes.try_emplace(keyword, 0).second) distinct.push_back(keyword);
  }
  std::sort(distinct.begin(), distinct.end());
  for (std::string_view keyword : distinct) {
    codes[keyword] = static_cast<uint32_t>(keywords_.size());
    keywords_.Append(keyword);
  }
  keywords_.ShrinkToFit();
  codes_.reserve(keywords.size());
  for (std::string_view keyword : keywords) codes_.push_back(codes[keyword]);
}

void Column::Compact() {
  for (uint32_t row = 0; row < rows_; ++row) {
    if (ends_[row] != row + 1) return;
  }
  std::vector<uint32_t>().swap(ends_);
}

Column Column::Build(PayloadType type, size_t field, std::span<const TypedPayload* const> rows) {
  Column column(type);
  column.rows_ = static_cast<uint32_t>(rows.size());
  column.ends_.reserve(rows.size());
  std::vector<std::string_view> keywords;
  for (const TypedPayload* row : rows) {
    if (row != nullptr && field < row->fields.size()) {
      for (const PayloadValue& value : row->fields[field]) {
        column.Append(value);
        if (type != PayloadType::kKeyword) continue;
        if (const auto* text = std::get_if<std::string>(&value)) keywords.push_back(*text);
      }
    }
    const size_t end = type == PayloadType::kKeyword ? keywords.size() : column.value_count();
    column.ends_.push_back(static_cast<uint32_t>(end));
  }
  if (type == PayloadType::kKeyword) column.SetKeywords(keywords);
  column.Compact();
  return column;
}

Column Column::Merge(PayloadType type, std::span<const Column* const> parts) {
  Column column(type);
  std::vector<std::string_view> distinct;
  for (const Column* part : parts) {
    for (size_t i = 0; i < part->keywords_.size(); ++i) distinct.push_back(part->keywords_.term(i));
  }
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (std::string_view keyword : distinct) column.keywords_.Append(keyword);
  column.keywords_.ShrinkToFit();
  for (const Column* part : parts) {
    std::vector<uint32_t> codes(part->keywords_.size());
    for (size_t i = 0; i < codes.size(); ++i) {
      codes[i] = static_cast<uint32_t>(column.keywords_.LowerBound(part->keywords_.term(i)));
    }
    const auto first = static_cast<uint32_t>(column.value_count());
    for (uint32_t code : part->codes_) column.codes_.push_back(codes[code]);
    AppendAll(part->integers_, &column.integers_);
    AppendAll(part->floats_, &column.floats_);
    AppendAll(part->bools_, &column.bools_);
    for (uint32_t row = 0; row < part->rows_; ++row) {
      column.ends_.push_back(first + (part->ends_.empty() ? row + 1 : part->ends_[row]));
    }
    column.rows_ += part->rows_;
  }
  column.Compact();
  return column;
}

void Column::Write(FlatWriter* writer) const {
  writer->Number(static_cast<uint8_t>(type_));
  writer->Number<uint64_t>(value_count());
  writer->Number<uint32_t>(static_cast<uint32_t>(ends_.size()));
  writer->Array(ends_);
  switch (type_) {
    case PayloadType::kKeyword:
      keywords_.Write(writer);
      writer->Array(codes_);
      return;
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
      writer->Array(integers_);
      return;
    case PayloadType::kFloat:
      writer->Array(floats_);
      return;
    case PayloadType::kBool:
      writer->Array(bools_);
      return;
  }
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
  for (uint32_t end : ends_) {
    if (end < previous) return Corrupt("the ends fall");
    previous = end;
  }
  if (values != (ends_.empty() ? uint64_t{rows} : previous)) {
    return Corrupt("the number of values is not what the rows have");
  }
  return ReadValues(reader, values);
}

absl::Status Column::ReadValues(FlatReader* reader, uint64_t count) {
  switch (type_) {
    case PayloadType::kKeyword:
      if (!keywords_.Read(reader)) return Corrupt("the keywords are cut short or out of order");
      if (!reader->Array(count, &codes_)) return Corrupt("the keyword codes are cut short");
      for (uint32_t code : codes_) {
        if (code >= keywords_.size()) return Corrupt("a keyword code above the dictionary");
      }
      return absl::OkStatus();
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
      if (!reader->Array(count, &integers_)) return Corrupt("the integers are cut short");
      return absl::OkStatus();
    case PayloadType::kFloat:
      if (!reader->Array(count, &floats_)) return Corrupt("the floats are cut short");
      for (double value : floats_) {
        if (!std::isfinite(value)) return Corrupt("a float that is not finite");
      }
      return absl::OkStatus();
    case PayloadType::kBool:
      if (!reader->Array(count, &bools_)) return Corrupt("the bools are cut short");
      for (uint8_t value : bools_) {
        if (value > 1) return Corrupt("a bool that is neither 0 nor 1");
      }
      return absl::OkStatus();
  }
  return Corrupt("an unknown type");
}

size_t Column::memory_bytes() const {
  return sizeof(*this) + ends_.capacity() * sizeof(uint32_t) + keywords_.memory_bytes() +
         codes_.capacity() * sizeof(uint32_t) + integers_.capacity() * sizeof(int64_t) +
         floats_.capacity() * sizeof(double) + bools_.capacity();
}

}  // namespace vouch
