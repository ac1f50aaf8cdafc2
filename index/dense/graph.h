#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/dense/cell_table.h"
#include "index/dense/graph_walk.h"
#include "index/dense/vector_codes.h"

namespace vouch {

// The links of a hierarchical navigable small world (Malkov and Yashunin 2018) over the nodes of a DenseColumn, with the
// codes that it is built and walked by (vector_codes.h), and cells of near nodes for searches among few (cell_table.h).
//
// Bytes (little-endian; each array starts at a multiple of 64):
//   u32 nodes, u32 m, u32 entry, u32 max_level, u64 upper_blocks, u32 cells
//   u8  levels[nodes]                  highest level of each node
//   u32 level0[nodes][2m]              neighbours at level 0, kNoNode from the first free place on
//   u32 upper[upper_blocks][m]         for each node with levels above 0, one block a level from 1 on
//   the cells' arrays (cell_table.h), where there are cells
//
// Immutable, thread safe.
//
// Invariants, checked by Parse so that a walk needs no checks:
// 1. Every neighbour is a node, and one listed at level l has a level of at least l.
// 2. The entry is a node of level max_level.
class Graph {
 public:
  static constexpr uint32_t kMaxNodes = uint32_t{1} << 31;  // a beam entry has 31 bits for the node
  static constexpr uint32_t kMaxLevel = 63;
  static constexpr size_t kHeaderBytes = 64;

  // `bytes` start at a multiple of 64 and lie in `owner`. DATA_LOSS where they break an invariant or do not have as many
  // nodes as `codes`.
  static absl::StatusOr<std::shared_ptr<const Graph>> Parse(std::string_view bytes,
                                                            std::shared_ptr<const VectorCodes> codes,
                                                            std::shared_ptr<const void> owner);

  uint32_t nodes() const { return nodes_; }
  uint32_t m() const { return m_; }
  uint32_t entry() const { return entry_; }
  uint32_t max_level() const { return max_level_; }
  std::span<const uint8_t> levels() const { return levels_; }
  // All links of level 0, node by node, and those of the levels above.
  std::span<const uint32_t> level0() const { return level0_; }
  std::span<const uint32_t> upper() const { return upper_; }
  std::string_view bytes() const { return bytes_; }
  const VectorCodes& codes() const { return *codes_; }
  const CellTable& cells() const { return cells_; }
  // Without the codes.
  size_t memory_bytes() const { return bytes_.size() + upper_start_.size() * sizeof(uint32_t) + cells_.memory_bytes(); }

  // The `ef` nearest nodes by code that a best-first search with a beam of `ef` finds, ascending by (key, node). Adds to
  // `distances` the keys computed. From `start`, as Descend gives it, and as if `held_out` were not there, which is not
  // `start`. The result lies in `scratch` until its next walk.
  std::span<const BeamEntry> Walk(const CodeQuery& query, BeamEntry start, size_t ef, WalkScratch& scratch,
                                  uint64_t& distances, uint32_t held_out = kNoNode) const;
  // Whether a graph of `nodes` nodes, of which these are the first, may keep its links, codes and cells: these fit no more than
  // twice the nodes that they were made for.
  bool MayGrowTo(uint64_t nodes) const;
  // Where the upper levels lead.
  BeamEntry Descend(const CodeQuery& query, uint64_t& distances) const;
  // Whether Descend never leads to the node.
  bool IsOnLevel0Only(uint32_t node) const { return levels_[node] == 0 && node != entry_; }
  // Neighbours of the node and of its nearest neighbours, some more than once: a sample of what lies around it.
  static constexpr size_t kMaxAround = 5 * kMaxLinks;
  std::span<const uint32_t> Around(uint32_t node, std::span<uint32_t, kMaxAround> out) const;

 private:
  Graph() = default;
  absl::Status ParseArrays(std::string_view bytes, const VectorCodes& codes);
  absl::Status CheckLinks() const;

  std::span<const uint32_t> Level0(uint32_t node) const { return level0_.subspan(size_t{node} * 2 * m_, 2 * m_); }
  std::span<const uint32_t> Upper(uint32_t node, uint32_t level) const {
    return upper_.subspan((size_t{upper_start_[node]} + level - 1) * m_, m_);
  }

  uint32_t nodes_ = 0;
  uint32_t m_ = 0;
  uint32_t entry_ = 0;
  uint32_t max_level_ = 0;
  std::span<const uint8_t> levels_;
  std::span<const uint32_t> level0_;
  std::span<const uint32_t> upper_;
  std::vector<uint32_t> upper_start_;  // first block of each node; derived from levels_
  CellTable cells_;
  std::string_view bytes_;
  std::shared_ptr<const VectorCodes> codes_;
  std::shared_ptr<const void> owner_;
};

// Where the arrays of a graph lie in its bytes; shared by builder and parser.
struct GraphLayout {
  size_t levels = 0;
  size_t level0 = 0;
  size_t upper = 0;
  size_t cells = 0;
  size_t size = 0;

  // `stride` is that of the codes.
  GraphLayout(uint64_t nodes, uint64_t m, uint64_t upper_blocks, uint64_t cells_count, size_t stride)
      : levels(Graph::kHeaderBytes),
        level0(AlignUp(levels + nodes)),
        upper(AlignUp(level0 + nodes * 2 * m * sizeof(uint32_t))),
        cells(AlignUp(upper + upper_blocks * m * sizeof(uint32_t))),
        size(cells + CellLayout(nodes, cells_count, stride).size) {}
};

}  // namespace vouch
