#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/dense/build_help.h"
#include "index/dense/cell_table.h"

namespace vouch {

struct NodeGroupLimits {
  uint32_t alone = 131'072;    // nodes of a level that are one group
  uint32_t compared = 16'384;  // nodes near a group, at least. More: better links, more work
  uint32_t cells = 32;         // and cells that have some: it has so many sides to other cells, however large these are
};
// For each level of a graph, level 0 first, its nodes in groups: those of few nodes are one group; else each cell is one, and near it are
// the cells of nearest mean that hold limits.compared nodes of the level, so that the work grows with the nodes and not with their square.
// `levels`: the highest level of each node. `cells` may have none.
std::vector<NodeGroups> GroupLevels(const VectorCodes& codes, const CellTable& cells, std::span<const uint8_t> levels, int threads,
                                    NodeGroupLimits limits = {});

}  // namespace vouch
