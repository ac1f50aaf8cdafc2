#include "index/dense/graph.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

template <typename T>
T ReadNumber(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Graph>> Graph::Parse(std::string_view bytes,
                                                          std::shared_ptr<const VectorCodes> codes,
                                                          std::shared_ptr<const void> owner) {
  std::shared_ptr<Graph> graph(new Graph());
  if (absl::Status status = graph->ParseArrays(bytes, *codes); !status.ok()) return status;
  if (absl::Status status = graph->CheckLinks(); !status.ok()) return status;
  graph->codes_ = std::move(codes);
  graph->owner_ = std::move(owner);
  return graph;
}

absl::Status Graph::ParseArrays(std::string_view bytes, const VectorCodes& codes) {
  const uint32_t nodes = codes.nodes();
  if (bytes.size() < kHeaderBytes) return absl::DataLossError("graph: shorter than its header");
  nodes_ = ReadNumber<uint32_t>(bytes, 0);
  m_ = ReadNumber<uint32_t>(bytes, 4);
  entry_ = ReadNumber<uint32_t>(bytes, 8);
  max_level_ = ReadNumber<uint32_t>(bytes, 12);
  const auto blocks = ReadNumber<uint64_t>(bytes, 16);
  const auto cells = ReadNumber<uint32_t>(bytes, 24);
  if (nodes_ != nodes || nodes_ == 0 || nodes_ > kMaxNodes) {
    return absl::DataLossError(absl::StrCat("graph: ", nodes_, " nodes where the column has ", nodes));
  }
  if (m_ < 2 || m_ > 128 || max_level_ > kMaxLevel || entry_ >= nodes_ || blocks > uint64_t{nodes_} * kMaxLevel ||
      cells > nodes_) {
    return absl::DataLossError("graph: a number of the header is out of range");
  }
  const GraphLayout layout(nodes_, m_, blocks, cells, codes.stride());
  if (bytes.size() != layout.size) {
    return absl::DataLossError(absl::StrCat("graph: ", bytes.size(), " bytes where ", layout.size, " are due"));
  }
  levels_ = {reinterpret_cast<const uint8_t*>(bytes.data() + layout.levels), nodes_};
  level0_ = {reinterpret_cast<const uint32_t*>(bytes.data() + layout.level0), size_t{nodes_} * 2 * m_};
  upper_ = {reinterpret_cast<const uint32_t*>(bytes.data() + layout.upper), blocks * m_};
  if (absl::Status status = CellTable::Parse(bytes.substr(layout.cells), cells, codes, cells_); !status.ok()) {
    return status;
  }
  bytes_ = bytes;
  upper_start_.resize(nodes_);
  uint64_t start = 0;
  for (uint32_t node = 0; node < nodes_; ++node) {
    if (levels_[node] > max_level_) return absl::DataLossError("graph: a node lies above the highest level");
    upper_start_[node] = static_cast<uint32_t>(start);
    start += levels_[node];
    if (start > blocks) break;
  }
  if (start != blocks || blocks > UINT32_MAX) return absl::DataLossError("graph: levels and links do not fit together");
  if (levels_[entry_] != max_level_) return absl::DataLossError("graph: the entry is not on the highest level");
  return absl::OkStatus();
}

absl::Status Graph::CheckLinks() const {
  for (uint32_t neighbor : level0_) {
    if (neighbor >= nodes_ && neighbor != kNoNode) return absl::DataLossError("graph: a neighbour is no node");
  }
  for (uint32_t node = 0; node < nodes_; ++node) {
    for (uint32_t level = 1; level <= levels_[node]; ++level) {
      for (uint32_t neighbor : Upper(node, level)) {
        if (neighbor == kNoNode) continue;
        if (neighbor >= nodes_ || levels_[neighbor] < level) {
          return absl::DataLossError("graph: a neighbour is not on its level");
        }
      }
    }
  }
  return absl::OkStatus();
}

bool Graph::MayGrowTo(uint64_t nodes) const {
  const uint64_t cells = cells_.cells();
  const bool cells_fit = cells == CellTable::kMaxCells || CellTable::CellsFor(nodes) <= 2 * cells + 1;
  return nodes > nodes_ && nodes < kMaxNodes && nodes <= 2 * uint64_t{codes_->fitted_nodes()} && cells_fit;
}

BeamEntry Graph::Descend(const CodeQuery& query, uint64_t& distances) const {
  BeamEntry best = BeamEntry::Make(codes_->Key(query, entry_), entry_);
  ++distances;
  for (uint32_t level = max_level_; level > 0; --level) {
    best = DescendLevel(*codes_, query, [&](uint32_t node) { return Upper(node, level); }, best, distances);
  }
  return best;
}

std::span<const BeamEntry> Graph::Walk(const CodeQuery& query, BeamEntry start, size_t ef, WalkScratch& scratch,
                                       uint64_t& distances, uint32_t held_out) const {
  scratch.visited.Begin(nodes_);
  if (held_out != kNoNode) scratch.visited.Visit(held_out);
  scratch.visited.Visit(start.node());
  scratch.beam.Begin(std::min<size_t>(ef, nodes_));
  scratch.beam.Insert(start);
  WalkLevel(*codes_, query, [&](uint32_t node) { return Level0(node); }, scratch.visited, scratch.beam, distances);
  return scratch.beam.entries();
}

std::span<const uint32_t> Graph::Around(uint32_t node, std::span<uint32_t, kMaxAround> out) const {
  size_t count = 0;
  const auto add = [&](uint32_t from) {
    for (const uint32_t neighbor : Level0(from)) {
      if (neighbor == kNoNode) break;
      out[count++] = neighbor;
    }
  };
  add(node);
  const size_t own = count;
  for (size_t i = 0; i < own && i < kMaxAround / kMaxLinks - 1; ++i) add(out[i]);
  return out.first(count);
}

}  // namespace vouch
