#include "index/merge_policy.h"

#include <algorithm>
#include <bit>

namespace vouch {
namespace {

constexpr size_t kMaxWindow = 16;

int Tier(uint64_t rows) { return std::bit_width(rows) / 3; }  // sizes of one tier differ by less than 8 times

}  // namespace

std::optional<MergeRange> PickMerge(std::span<const uint64_t> segment_rows, size_t fan_in, uint64_t max_rows) {
  std::optional<MergeRange> best;
  uint64_t best_total = 0;
  for (size_t begin = 0; begin + fan_in <= segment_rows.size(); ++begin) {
    uint64_t total = 0;
    uint64_t largest = 0;
    for (size_t end = begin + 1; end <= segment_rows.size() && end - begin <= kMaxWindow; ++end) {
      total += segment_rows[end - 1];
      largest = std::max(largest, segment_rows[end - 1]);
      if (total > max_rows) break;
      if (end - begin < fan_in || largest > total / 2) continue;
      if (!best || total < best_total) {
        best = MergeRange{begin, end};
        best_total = total;
      }
    }
  }
  return best;
}

std::optional<MergeRange> PickTailMerge(std::span<const uint64_t> segment_rows, size_t fan_in, uint64_t max_rows) {
  std::optional<MergeRange> picked;
  // Segments of the tail that are to become one: after a merge, `virtual` is its size and it may fill the next tier.
  size_t begin = segment_rows.size();
  uint64_t merged = 0;
  size_t merged_parts = 0;
  for (int tier = 0; tier < 64; ++tier) {
    size_t first = begin;
    uint64_t total = merged;
    uint64_t largest = merged;
    while (first > 0 && Tier(segment_rows[first - 1]) <= tier && total + segment_rows[first - 1] <= max_rows) {
      --first;
      total += segment_rows[first];
      largest = std::max(largest, segment_rows[first]);
    }
    const size_t count = begin - first + (merged_parts > 0 ? 1 : 0);
    if (count >= fan_in && largest <= total / 2) {
      begin = first;
      merged = total;
      merged_parts = segment_rows.size() - first;
      picked = MergeRange{first, segment_rows.size()};
    }
    if (first == 0) break;
  }
  return picked;
}

}  // namespace vouch
