#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace vouch {

// Neighbours [begin, end) of a list of segments.
struct MergeRange {
  size_t begin = 0;
  size_t end = 0;
  friend bool operator==(const MergeRange&, const MergeRange&) = default;
};

// Which adjacent segments to merge, given their rows in order; nullopt where nothing is due.
//
// A merge takes at least `fan_in` neighbours with at most `max_rows` rows in all, and the largest has at most half of
// them. So each merge at least doubles the segment that a row lies in, and a row is rewritten at most log2 times;
// and among more than a few times fan_in · log(rows) segments some are always due. The cheapest merge comes first.
std::optional<MergeRange> PickMerge(std::span<const uint64_t> segment_rows, size_t fan_in, uint64_t max_rows);

// The same, but only merges that take the last segment, and the longest of them first: what to do on each new small
// segment. Looks at the last few segments only.
std::optional<MergeRange> PickTailMerge(std::span<const uint64_t> segment_rows, size_t fan_in, uint64_t max_rows);

}  // namespace vouch
