#include "index/dense/graph_bytes.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr uint64_t kLevelSeed = 20261123;

}  // namespace

absl::StatusOr<GraphBytes> GraphBytes::Create(const VectorCodes& codes, uint32_t m, uint32_t cells) {
  const uint32_t nodes = codes.nodes();
  GraphBytes graph;
  graph.nodes_ = nodes;
  graph.cell_count_ = cells;
  graph.m_ = m;
  std::mt19937_64 random(kLevelSeed);
  std::vector<uint8_t> levels(nodes);
  uint64_t blocks = 0;
  graph.upper_start_.resize(nodes);
  for (uint32_t node = 0; node < nodes; ++node) {
    while (levels[node] < Graph::kMaxLevel && random() % m == 0) ++levels[node];
    graph.upper_start_[node] = static_cast<uint32_t>(blocks);
    blocks += levels[node];
  }
  const GraphLayout layout(nodes, m, blocks, cells, codes.stride());
  graph.buffer_ = std::make_shared<AlignedBuffer>(layout.size);
  char* bytes = graph.buffer_->data();
  if (bytes == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for a graph of ", layout.size, " bytes"));
  }
  // Each byte once: what is large takes its time to come from the system. The cells are written by who makes them.
  const size_t level0_end = layout.level0 + size_t{nodes} * 2 * m * sizeof(uint32_t);
  const size_t upper_end = layout.upper + blocks * m * sizeof(uint32_t);
  std::memset(bytes, 0, layout.level0);
  std::memset(bytes + layout.level0, 0xFF, level0_end - layout.level0);
  std::memset(bytes + level0_end, 0, layout.upper - level0_end);
  std::memset(bytes + layout.upper, 0xFF, upper_end - layout.upper);
  std::memset(bytes + upper_end, 0, layout.cells - upper_end);
  std::memcpy(bytes, &nodes, sizeof(nodes));
  std::memcpy(bytes + 4, &m, sizeof(m));
  std::memcpy(bytes + 16, &blocks, sizeof(blocks));
  std::memcpy(bytes + 24, &cells, sizeof(cells));
  graph.cells_ = bytes + layout.cells;
  std::memcpy(bytes + layout.levels, levels.data(), nodes);
  graph.levels_ = reinterpret_cast<const uint8_t*>(bytes + layout.levels);
  graph.level0_ = reinterpret_cast<uint32_t*>(bytes + layout.level0);
  graph.upper_ = reinterpret_cast<uint32_t*>(bytes + layout.upper);
  return graph;
}

bool GraphBytes::TakeLinks(const Graph& first) {
  const std::span<const uint8_t> levels = first.levels();
  if (first.m() != m_ || !std::equal(levels.begin(), levels.end(), levels_)) return false;
  std::copy(first.level0().begin(), first.level0().end(), level0_);
  std::copy(first.upper().begin(), first.upper().end(), upper_);
  return true;
}

void GraphBytes::SetEntry(uint32_t entry, uint32_t max_level) {
  std::memcpy(buffer_->data() + 8, &entry, sizeof(entry));
  std::memcpy(buffer_->data() + 12, &max_level, sizeof(max_level));
}

}  // namespace vouch
