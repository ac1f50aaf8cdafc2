#include "index/payload/column_order.h"

#include <algorithm>

namespace vouch {
namespace {

constexpr uint32_t kNoValue = ~uint32_t{0};
constexpr uint32_t kRowsBetweenChecks = 1 << 14;

// Codes as numbers that ascend with the order: of two rows the one with the lower number comes
// first.
class OrderNumbers {
 public:
  OrderNumbers(const Column& column, bool descending)
      : column_(column),
        descending_(descending),
        last_(static_cast<uint32_t>(column.distinct()) - 1) {}

  uint32_t OfRow(uint32_t row) const {
    const Column::Places places = column_.PlacesOf(row);
    uint32_t least = kNoValue;
    for (uint32_t place = places.begin; place < places.end; ++place) {
      const uint32_t code = column_.CodeAt(place);
      least = std::min(least, descending_ ? last_ - code : code);
    }
    return least;
  }
  uint32_t CodeOf(uint32_t number) const { return descending_ ? last_ - number : number; }

 private:
  const Column& column_;
  const bool descending_;
  const uint32_t last_;
};

// Number and row in one, so that rows compare by number, then by row.
uint64_t Packed(uint32_t number, uint32_t row) { return (uint64_t{number} << 32) | row; }

// Rows whose packed key is at least this come after the key.
uint64_t FirstAfter(const Column& column, const ColumnOrder& order) {
  if (order.after == nullptr) return 0;
  const OrderKey& after = *order.after;
  const uint64_t next = after.row + 1;
  const uint32_t row = next <= order.first_row ? 0
                       : next - order.first_row >= column.rows()
                           ? column.rows()
                           : static_cast<uint32_t>(next - order.first_row);
  if (!after.value) return Packed(kNoValue, row);
  const auto distinct = static_cast<uint32_t>(column.distinct());
  const uint32_t code = column.LowerBound(*after.value);
  const bool there = code < distinct && column.ValueOf(code) == *after.value;
  if (there) return Packed(order.descending ? distinct - 1 - code : code, row);
  // Codes below `code` have lesser values, those from it on greater ones.
  return Packed(order.descending ? distinct - code : code, 0);
}

}  // namespace

bool ComesBefore(const OrderKey& a, const OrderKey& b, bool descending) {
  if (a.value.has_value() != b.value.has_value()) return a.value.has_value();
  if (a.value && *a.value != *b.value)
    return descending ? *b.value < *a.value : *a.value < *b.value;
  return a.row < b.row;
}

OrderKey OrderKeyOf(const Column& column, uint32_t row, uint64_t first_row, bool descending) {
  const OrderNumbers numbers(column, descending);
  const uint32_t number = numbers.OfRow(row);
  OrderKey key{.value = std::nullopt, .row = first_row + row};
  if (number != kNoValue) key.value = column.ValueOf(numbers.CodeOf(number));
  return key;
}

absl::StatusOr<std::vector<OrderKey>> FirstInOrder(const Column& column, const ColumnOrder& order,
                                                   const CancelToken& cancel) {
  std::vector<OrderKey> keys;
  if (order.limit == 0) return keys;
  const OrderNumbers numbers(column, order.descending);
  const uint64_t first = FirstAfter(column, order);
  std::vector<uint64_t> best;  // a heap with the last in front
  for (uint32_t row = 0; row < column.rows(); ++row) {
    if (row % kRowsBetweenChecks == 0) {
      if (absl::Status status = cancel.Check(); !status.ok()) return status;
    }
    if (order.allowed != nullptr && !order.allowed->Test(row)) continue;
    const uint64_t packed = Packed(numbers.OfRow(row), row);
    if (packed < first) continue;
    if (best.size() == order.limit) {
      if (packed >= best.front()) continue;
      std::pop_heap(best.begin(), best.end());
      best.pop_back();
    }
    best.push_back(packed);
    std::push_heap(best.begin(), best.end());
  }
  keys.reserve(best.size());
  for (uint64_t packed : best) {
    const auto number = static_cast<uint32_t>(packed >> 32);
    OrderKey& key = keys.emplace_back();
    key.row = order.first_row + static_cast<uint32_t>(packed);
    if (number != kNoValue) key.value = column.ValueOf(numbers.CodeOf(number));
  }
  return keys;
}

}  // namespace vouch
