#include "index/dense/node_groups.h"

#include <algorithm>
#include <numeric>

#include "index/dense/parallel.h"

namespace vouch {
namespace {

NodeGroups OneGroup(std::span<const uint8_t> levels, uint32_t level) {
  NodeGroups groups;
  for (uint32_t node = 0; node < levels.size(); ++node) {
    if (levels[node] >= level) groups.nodes.push_back(node);
  }
  groups.start = {0, static_cast<uint32_t>(groups.nodes.size())};
  groups.near = {{0}};
  return groups;
}

// Each cell's nodes of the level, and who is near whom.
class CellGrouper {
 public:
  CellGrouper(const VectorCodes& codes, const CellTable& cells, int threads, NodeGroupLimits limits)
      : codes_(codes), cells_(cells), threads_(threads), limits_(limits), scratch_(static_cast<size_t>(threads)) {}

  NodeGroups Group(std::span<const uint8_t> levels, uint32_t level) {
    NodeGroups groups;
    groups.start.assign(1, 0);
    for (uint32_t cell = 0; cell < cells_.cells(); ++cell) {
      for (const uint32_t node : cells_.nodes(cell)) {
        if (levels[node] >= level) groups.nodes.push_back(node);
      }
      groups.start.push_back(static_cast<uint32_t>(groups.nodes.size()));
    }
    groups.near.resize(cells_.cells());
    ParallelFor(0, cells_.cells(), threads_, 4, [&](size_t cell, size_t thread) {
      if (groups.NodesOf(cell).empty()) return;
      FindNear(static_cast<uint32_t>(cell), groups, scratch_[thread]);
    });
    return groups;
  }

 private:
  struct Scratch {
    CodeQuery query;
    std::vector<float> keys;
    std::vector<uint32_t> order;
  };

  void FindNear(uint32_t cell, NodeGroups& groups, Scratch& scratch) const {
    codes_.EncodeCode(cells_.means() + size_t{cell} * codes_.stride(), scratch.query);
    const std::span<const float> keys = cells_.Keys(scratch.query, scratch.keys);
    scratch.order.resize(cells_.cells());
    std::iota(scratch.order.begin(), scratch.order.end(), 0u);
    std::swap(scratch.order[0], scratch.order[cell]);
    const auto nearer = [&](uint32_t a, uint32_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; };
    std::vector<uint32_t>& near = groups.near[cell];
    uint64_t nodes = 0;
    // As many at a time as there are likely to be.
    size_t sorted = 1;
    for (size_t i = 0; i < scratch.order.size() && (nodes < limits_.compared || near.size() < limits_.cells); ++i) {
      if (i == sorted) {
        const auto begin = scratch.order.begin() + static_cast<std::ptrdiff_t>(i);
        const auto end = begin + static_cast<std::ptrdiff_t>(std::min(kSortedAtOnce, scratch.order.size() - i));
        std::partial_sort(begin, end, scratch.order.end(), nearer);
        sorted += kSortedAtOnce;
      }
      const size_t found = groups.NodesOf(scratch.order[i]).size();
      if (found == 0) continue;
      near.push_back(scratch.order[i]);
      nodes += found;
    }
  }

  static constexpr size_t kSortedAtOnce = 128;
  const VectorCodes& codes_;
  const CellTable& cells_;
  const int threads_;
  const NodeGroupLimits limits_;
  std::vector<Scratch> scratch_;  // one a thread
};

}  // namespace

std::vector<uint32_t> NodeGroups::OthersOf(size_t group) const {
  std::vector<uint32_t> others;
  for (const uint32_t one : near[group]) {
    const std::span<const uint32_t> all = NodesOf(one);
    if (all.size() <= kMostOfGroup) {
      others.insert(others.end(), all.begin(), all.end());
    } else {
      for (size_t i = 0; i < kMostOfGroup; ++i) others.push_back(all[i * all.size() / kMostOfGroup]);
    }
  }
  return others;
}

std::vector<NodeGroups> GroupLevels(const VectorCodes& codes, const CellTable& cells, std::span<const uint8_t> levels, int threads,
                                    NodeGroupLimits limits) {
  std::vector<uint32_t> counts;  // of nodes, by level
  for (const uint8_t level : levels) {
    if (counts.size() <= level) counts.resize(level + size_t{1});
    ++counts[level];
  }
  std::partial_sum(counts.rbegin(), counts.rend(), counts.rbegin());
  CellGrouper grouper(codes, cells, threads, limits);
  std::vector<NodeGroups> groups;
  for (uint32_t level = 0; level < counts.size(); ++level) {
    const bool alone = cells.cells() == 0 || counts[level] <= limits.alone;
    groups.push_back(alone ? OneGroup(levels, level) : grouper.Group(levels, level));
  }
  return groups;
}

}  // namespace vouch
