#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "index/dense/build_help.h"
#include "index/dense/code_blocks.h"
#include "index/dense/vector_codes.h"

namespace vouch {

// The nodes of a graph in cells of near ones, each with the mean of its codes: an inverted file
// (Jégou and others, 2011) over the codes that the graph has, for searches among few of the nodes.
//
// Bytes (little-endian; each array starts at a multiple of 64), part of a graph's:
//   u32 start[cells + 1]       where each cell's nodes begin, the last one the number of nodes
//   u32 node[nodes]            ascending within a cell
//   record[cells]              as those of codes (vector_codes.h)
//
// Immutable, thread safe; a view of bytes that the graph keeps.
//
// Invariants: every node stands in one cell; there are no cells, or at most one a node.
class CellTable {
 public:
  // Cells of about kNodesPerCell nodes, fewer and larger ones from kMaxCells on: comparing a query
  // with the means must stay cheap. None for few nodes, which can all be compared.
  static constexpr uint32_t kNodesPerCell = 32;
  static constexpr uint32_t kMaxCells = 4096;
  static constexpr uint32_t kMinNodes = 2048;

  static uint32_t CellsFor(uint64_t nodes);

  CellTable() = default;
  // DATA_LOSS where the arrays break an invariant, RESOURCE_EXHAUSTED where there is no memory.
  static absl::Status Parse(std::string_view bytes, uint32_t cells, const VectorCodes& codes,
                            CellTable& out);

  uint32_t cells() const { return cells_; }
  std::span<const uint32_t> nodes(uint32_t cell) const {
    return {nodes_ + start_[cell], start_[cell + 1] - start_[cell]};
  }
  // The means, as records of codes.
  const uint8_t* means() const { return means_; }
  // The key of each cell's mean, by which cells are near; they lie in `scratch`. There are cells.
  std::span<const float> Keys(const CodeQuery& query, std::vector<float>& scratch) const {
    return turned_->Keys(query, scratch);
  }
  // Beside the bytes that it was parsed from.
  size_t memory_bytes() const { return turned_ == nullptr ? 0 : turned_->memory_bytes(); }

 private:
  uint32_t cells_ = 0;
  const uint32_t* start_ = nullptr;
  const uint32_t* nodes_ = nullptr;
  const uint8_t* means_ = nullptr;
  std::shared_ptr<const CodeBlocks> turned_;  // the means once more
};

// Where the arrays lie; shared by builder and parser.
struct CellLayout {
  size_t start = 0;
  size_t node = 0;
  size_t means = 0;
  size_t size = 0;

  CellLayout(uint64_t nodes, uint64_t cells, size_t stride)
      : node(cells == 0 ? 0 : AlignUp((cells + 1) * sizeof(uint32_t))),
        means(cells == 0 ? 0 : node + AlignUp(nodes * sizeof(uint32_t))),
        size(cells == 0 ? 0 : means + AlignUp(cells * stride)) {}
};

// Writes the cells of the codes' nodes to `out` (CellLayout's size), on `threads` threads, whose
// number changes nothing: a few rounds of k-means on the codes, whose means are rounded to codes. Nor does `assign`, which
// finds each node's nearest mean where it is set.
void BuildCells(const VectorCodes& codes, Metric metric, uint32_t cells, int threads, char* out, const AssignCodes& assign = {});

// Likewise, where `first` are the cells of the first nodes: these and the means stay, the other nodes come to the nearest.
// `first` has cells.
void ExtendCells(const VectorCodes& codes, Metric metric, const CellTable& first, int threads, char* out);

}  // namespace vouch
