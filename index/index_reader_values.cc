// Values of rows: payloads, orders by them, counts of them, vectors.
#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/vector_reader.h"
#include "index/index_reader.h"
#include "index/payload/column.h"
#include "index/payload/column_order.h"
#include "index/segment_set.h"

namespace vouch {
namespace {

constexpr uint32_t kRowsBetweenChecks = 1 << 14;

// Adds the rows of one column to `counts`, by code.
absl::Status CountCodes(const Column& column, const Bitmap* allowed, const CancelToken& cancel,
                        std::vector<uint64_t>& counts) {
  std::vector<uint32_t> codes;  // of a row with several values
  for (uint32_t row = 0; row < column.rows(); ++row) {
    if (row % kRowsBetweenChecks == 0) {
      if (absl::Status status = cancel.Check(); !status.ok()) return status;
    }
    if (allowed != nullptr && !allowed->Test(row)) continue;
    const Column::Places places = column.PlacesOf(row);
    if (places.end - places.begin == 1) {
      ++counts[column.CodeAt(places.begin)];
      continue;
    }
    codes.clear();
    for (uint32_t place = places.begin; place < places.end; ++place)
      codes.push_back(column.CodeAt(place));
    std::sort(codes.begin(), codes.end());
    codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
    for (uint32_t code : codes) ++counts[code];
  }
  return absl::OkStatus();
}

// Sorts by value and makes one entry of equal values.
void MergeEqual(std::vector<ValueCount>& counts) {
  std::sort(counts.begin(), counts.end(),
            [](const ValueCount& a, const ValueCount& b) { return a.value < b.value; });
  size_t kept = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (kept > 0 && counts[kept - 1].value == counts[i].value) {
      counts[kept - 1].rows += counts[i].rows;
    } else {
      if (kept != i) counts[kept] = std::move(counts[i]);
      ++kept;
    }
  }
  counts.resize(kept);
}

// Finds the set bits of a bitmap by their numbers, ascending; a null bitmap has all set.
class RankedBits {
 public:
  explicit RankedBits(const Bitmap* bits) : bits_(bits) {}

  // The position of set bit number `rank`, counted from 0; ranks ascend from call to call, below
  // the number of set bits.
  uint32_t Seek(uint64_t rank) {
    if (bits_ == nullptr) return static_cast<uint32_t>(rank);
    uint64_t count = std::popcount(bits_->word(word_));
    while (before_ + count <= rank) {
      before_ += count;
      count = std::popcount(bits_->word(++word_));
    }
    uint64_t word = bits_->word(word_);
    for (uint64_t skip = rank - before_; skip > 0; --skip) word &= word - 1;
    return static_cast<uint32_t>(word_ * 64 + std::countr_zero(word));
  }

 private:
  const Bitmap* bits_;
  size_t word_ = 0;
  uint64_t before_ = 0;  // set bits of the words before
};

}  // namespace

absl::StatusOr<std::vector<RowId>> IndexReader::OrderRows(const PayloadOrder& order,
                                                          const RowMask& mask, RowId after,
                                                          size_t limit,
                                                          const CancelToken& cancel) const {
  const auto field = static_cast<size_t>(order.field);
  OrderKey after_key;
  if (after != kNoRow) {
    if (after.value >= rows_at_) return std::vector<RowId>();
    const Segment& segment = *segments_->segments[segments_->FindSegment(after)];
    after_key = OrderKeyOf(segment.payload->column(field), segment.LocalRow(after),
                           segment.rows.begin.value, order.descending);
  }
  std::vector<OrderKey> keys;
  for (size_t i = 0; i < segments_->segments.size() && i < mask.segments.size(); ++i) {
    if (mask.segments[i].allowed_count == 0) continue;
    const Segment& segment = *segments_->segments[i];
    absl::StatusOr<std::vector<OrderKey>> first =
        FirstInOrder(segment.payload->column(field),
                     {.descending = order.descending,
                      .allowed = mask.segments[i].allowed_or_null(),
                      .first_row = segment.rows.begin.value,
                      .after = after == kNoRow ? nullptr : &after_key,
                      .limit = limit},
                     cancel);
    if (!first.ok()) return first.status();
    std::move(first->begin(), first->end(), std::back_inserter(keys));
  }
  std::sort(keys.begin(), keys.end(), [&](const OrderKey& a, const OrderKey& b) {
    return ComesBefore(a, b, order.descending);
  });
  std::vector<RowId> rows;
  rows.reserve(std::min(limit, keys.size()));
  for (size_t i = 0; i < keys.size() && i < limit; ++i) rows.push_back(RowId(keys[i].row));
  return rows;
}

std::vector<PayloadValue> IndexReader::PayloadOf(int field, RowId row, size_t limit) const {
  std::vector<PayloadValue> values;
  if (row.value >= rows_at_) return values;
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  const Column& column = segment.payload->column(static_cast<size_t>(field));
  const Column::Places places = column.PlacesOf(segment.LocalRow(row));
  const size_t count = std::min<size_t>(limit, places.end - places.begin);
  values.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    values.push_back(column.ValueOf(column.CodeAt(places.begin + static_cast<uint32_t>(i))));
  }
  return values;
}

absl::StatusOr<std::vector<ValueCount>> IndexReader::CountValues(int field, const RowMask& mask,
                                                                 size_t max_values,
                                                                 const CancelToken& cancel) const {
  std::vector<ValueCount> counts;
  for (size_t i = 0; i < segments_->segments.size() && i < mask.segments.size(); ++i) {
    if (mask.segments[i].allowed_count == 0) continue;
    const Column& column = segments_->segments[i]->payload->column(static_cast<size_t>(field));
    std::vector<uint64_t> by_code(column.distinct());
    absl::Status status = CountCodes(column, mask.segments[i].allowed_or_null(), cancel, by_code);
    if (!status.ok()) return status;
    for (uint32_t code = 0; code < by_code.size(); ++code) {
      if (by_code[code] > 0) counts.push_back({column.ValueOf(code), by_code[code]});
    }
    if (counts.size() > max_values) MergeEqual(counts);
    if (counts.size() > max_values) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "field '", segments_->schema->schema.payload[static_cast<size_t>(field)].path,
          "' has over ", max_values, " values to count"));
    }
  }
  MergeEqual(counts);
  return counts;
}

absl::StatusOr<bool> IndexReader::ReadVector(int field, RowId row, std::span<float> out) const {
  if (row.value >= rows_at_) return false;
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  const DenseColumn& column = segment.dense[static_cast<size_t>(field)];
  const std::optional<uint32_t> node = column.NodeOf(segment.LocalRow(row));
  if (!node) return false;
  VectorReader vectors(column);
  std::copy_n(vectors.Read(*node), column.dim(), out.begin());
  if (!vectors.status().ok()) return vectors.status();
  return true;
}

std::vector<RowId> IndexReader::SampleRows(const RowMask& mask, size_t count) const {
  std::vector<RowId> rows;
  const uint64_t taken = std::min<uint64_t>(count, mask.allowed_count);
  rows.reserve(taken);
  uint64_t next = 0;    // of the samples
  uint64_t before = 0;  // allowed rows of the segments before
  for (size_t i = 0; i < segments_->segments.size() && i < mask.segments.size(); ++i) {
    const RowMask::SegmentMask& segment = mask.segments[i];
    RankedBits bits(segment.allowed_or_null());
    for (; next < taken; ++next) {
      // The sample's number among all allowed rows, whichever segments they lie in.
      const uint64_t rank = next * mask.allowed_count / taken;
      if (rank >= before + segment.allowed_count) break;
      const uint64_t first = segments_->segments[i]->rows.begin.value;
      rows.push_back(RowId(first + bits.Seek(rank - before)));
    }
    before += segment.allowed_count;
  }
  return rows;
}

const Analyzer& IndexReader::AnalyzerOf(int field) const {
  return *segments_->schema->analyzers[static_cast<size_t>(field)];
}

}  // namespace vouch
