#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "index/bitmap.h"
#include "index/flat_codec.h"
#include "index/inverted/term_dictionary.h"
#include "index/payload/filter.h"
#include "index/payload/payload_columns.h"
#include "storage/schema.h"

namespace vouch {

// One payload field of one segment: every row's values, one row after the other.
//
// Thread safety: const methods may run on any number of threads; the others build the column.
// Invariants: 1. ends_ is empty where each row has just one value (the common case costs nothing),
// else it has one entry a row and does not fall; 2. codes_ are below the dictionary's size.
class Column {
 public:
  explicit Column(PayloadType type) : type_(type) {}

  // Values of another type than the column's are left out.
  static Column Build(PayloadType type, size_t field, std::span<const TypedPayload* const> rows);
  static Column Merge(PayloadType type, std::span<const Column* const> parts);

  // Rows that meet a leaf of a validated filter on this field.
  Bitmap Match(const Filter& filter) const;

  void Write(FlatWriter* writer) const;
  absl::Status Read(FlatReader* reader, uint32_t rows);
  size_t memory_bytes() const;

 private:
  size_t value_count() const;
  void Append(const PayloadValue& value);
  // Makes the dictionary from the keywords of a column under construction.
  void SetKeywords(std::span<const std::string_view> keywords);
  // Takes ends_ off where each row has one value.
  void Compact();

  // The rows with a value that `meets` takes.
  template <typename T, typename Meets>
  Bitmap RowsWith(const std::vector<T>& values, Meets meets) const;
  Bitmap RowsWithAny() const;
  Bitmap MatchCompare(FilterOp op, const FilterValue& literal) const;
  Bitmap MatchIn(std::span<const FilterValue> literals) const;
  Bitmap MatchKeyword(FilterOp op, std::string_view literal) const;
  Bitmap MatchKeywordIn(std::span<const FilterValue> literals) const;
  absl::Status ReadValues(FlatReader* reader, uint64_t count);

  PayloadType type_;
  uint32_t rows_ = 0;
  std::vector<uint32_t> ends_;     // row r has the values [ends_[r - 1], ends_[r])
  TermDictionary keywords_;        // keyword
  std::vector<uint32_t> codes_;    // keyword: places in keywords_
  std::vector<int64_t> integers_;  // integer, datetime
  std::vector<double> floats_;     // float
  std::vector<uint8_t> bools_;     // bool
};

}  // namespace vouch
