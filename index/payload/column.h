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
#include "index/payload/code_array.h"
#include "index/payload/geo_point.h"
#include "index/payload/payload_columns.h"
#include "index/payload/value_index.h"
#include "index/payload/value_set.h"
#include "storage/schema.h"

namespace vouch {

// One payload field of one segment: every row's values, one row after the other, as codes: places in the dictionary of the
// field's distinct values, which ascend. So a condition becomes a few ranges of codes, whatever the field's type.
//
// Thread safety: const methods may run on any number of threads; the others build the column.
// Invariants: 1. ends_ is empty where each row has just one value (the common case costs nothing),
// else it has one entry a row and does not fall; 2. codes_ are below the dictionary's size; 3. each entry of the dictionary
// is the value of a row; 4. index_ is there from ValueIndex::kMinRows rows on.
class Column {
 public:
  explicit Column(PayloadType type) : type_(type) {}

  // Values of another type than the column's are left out.
  static Column Build(PayloadType type, size_t field, std::span<const TypedPayload* const> rows);
  static Column Merge(PayloadType type, std::span<const Column* const> parts);

  // The codes of the values in the set, which is of the column's type: ascending, neither overlapping nor touching.
  std::vector<CodeRange> CodesIn(const ValueSet& values) const;
  // How many rows have a value in the ranges; from the index only, else [0, rows].
  RowBounds Bounds(std::span<const CodeRange> ranges) const;
  // Adds the rows with a value in the ranges; `rows_empty`: none is set yet.
  void AddRows(std::span<const CodeRange> ranges, bool rows_empty, Bitmap& rows) const;
  bool RowMeets(uint32_t row, std::span<const CodeRange> ranges) const;
  // Whether the codes are values of the row one after the other; `codes` is not empty.
  bool RowHasPhrase(uint32_t row, std::span<const uint32_t> codes) const;
  PayloadType type() const { return type_; }
  uint32_t rows() const { return rows_; }
  // Entries of the dictionary; codes are below it.
  size_t distinct() const;
  // A row's values, in the order of its payload, are those of the codes at places [begin, end).
  struct Places {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  Places PlacesOf(uint32_t row) const {
    if (ends_.empty()) return {row, row + 1};
    return {row == 0 ? 0 : ends_[row - 1], ends_[row]};
  }
  uint32_t CodeAt(uint32_t place) const { return codes_[place]; }
  // The value of a code, typed as PayloadValue says.
  PayloadValue ValueOf(uint32_t code) const;
  // The first code whose value is not less than `value`, which is of the column's type; distinct()
  // where there is none.
  uint32_t LowerBound(const PayloadValue& value) const;

  // Whether no row has two values, as far as is known: "a value in A" and "a value in B" is then "a value in both".
  bool single_valued() const { return ends_.empty() || (index_ != nullptr && index_->single()); }

  void Write(FlatWriter* writer) const;
  absl::Status Read(FlatReader* reader, uint32_t rows);
  size_t memory_bytes() const;

 private:
  // Takes ends_ off where each row has one value, and makes the index.
  void Finish();
  void BuildKeywords(size_t field, std::span<const TypedPayload* const> rows);
  template <typename T>
  void BuildNumbers(const std::vector<T>& values, std::vector<T>& dictionary);
  void BuildPoints(size_t field, std::span<const TypedPayload* const> rows);
  // Makes the dictionary of the parts' and gives, for each part, the new code of each of its codes.
  std::vector<std::vector<uint32_t>> MergeDictionaries(std::span<const Column* const> parts);
  uint32_t PlaceOfPoint(const GeoPoint& point) const;
  absl::Status ReadDictionary(FlatReader* reader);
  absl::Status CheckNumbers() const;
  absl::Status ReadPoints(FlatReader* reader);
  absl::Status CheckCodes() const;

  PayloadType type_;
  uint32_t rows_ = 0;
  std::vector<uint32_t> ends_;     // row r has the values [ends_[r - 1], ends_[r])
  CodeArray codes_;
  // The dictionary: one of these.
  TermDictionary keywords_;        // keyword; text: words
  std::vector<int64_t> integers_;  // integer, datetime, bool as 0 and 1
  std::vector<double> floats_;     // float; no -0.0
  std::vector<GeoPoint> points_;   // geo; in the order of geo_cells.h
  std::shared_ptr<const ValueIndex> index_;
};

}  // namespace vouch
