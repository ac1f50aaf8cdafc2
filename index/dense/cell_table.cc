#include "index/dense/cell_table.h"

#include <algorithm>
#include <cstring>

namespace vouch {
uint32_t CellTable::CellsFor(uint64_t nodes) {
  return nodes < kMinNodes ? 0 : static_cast<uint32_t>(std::min<uint64_t>(nodes / kNodesPerCell, kMaxCells));
}

absl::Status CellTable::Parse(std::string_view bytes, uint32_t cells, const VectorCodes& codes,
                              CellTable& out) {
  out = CellTable();
  if (cells == 0) return absl::OkStatus();
  const uint32_t nodes = codes.nodes();
  const CellLayout layout(nodes, cells, codes.stride());
  out.cells_ = cells;
  out.start_ = reinterpret_cast<const uint32_t*>(bytes.data() + layout.start);
  out.nodes_ = reinterpret_cast<const uint32_t*>(bytes.data() + layout.node);
  out.means_ = reinterpret_cast<const uint8_t*>(bytes.data() + layout.means);
  if (out.start_[0] != 0 || out.start_[cells] != nodes ||
      !std::is_sorted(out.start_, out.start_ + cells + 1)) {
    return absl::DataLossError("graph: the cells do not hold the nodes one after the other");
  }
  std::vector<bool> seen(nodes);
  for (uint32_t i = 0; i < nodes; ++i) {
    if (out.nodes_[i] >= nodes || seen[out.nodes_[i]]) {
      return absl::DataLossError("graph: a node does not stand in just one cell");
    }
    seen[out.nodes_[i]] = true;
  }
  out.turned_ = std::make_shared<const CodeBlocks>(codes, out.means_, cells);
  if (!out.turned_->has_memory()) return absl::ResourceExhaustedError("graph: no memory for the cells' means");
  return absl::OkStatus();
}

}  // namespace vouch
