#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>

namespace vouch {

// An integer with a meaning: ids of different kinds do not mix.
template <class Tag>
struct StrongId {
  uint64_t value = 0;

  constexpr StrongId() = default;
  constexpr explicit StrongId(uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value);
  }
};

// One immutable version of a point; numbered 0, 1, 2 … per collection in commit order.
using RowId = StrongId<struct RowIdTag>;
// The sequence number of a commit; starts at 1. 0 is the empty collection before its first commit.
using Version = StrongId<struct VersionTag>;
// Numbered by the catalog from 1 on, never reused.
using CollectionId = StrongId<struct CollectionIdTag>;

inline constexpr RowId kNoRow{std::numeric_limits<uint64_t>::max()};
// A row that is not retired is retired "at" this version.
inline constexpr Version kNeverRetired{std::numeric_limits<uint64_t>::max()};

// Rows [begin, end).
struct RowRange {
  RowId begin = {};
  RowId end = {};

  uint64_t size() const { return end.value - begin.value; }
  bool empty() const { return begin == end; }
  bool Contains(RowId row) const { return begin <= row && row < end; }
  friend bool operator==(const RowRange&, const RowRange&) = default;
};

}  // namespace vouch
