#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/aligned_buffer.h"
#include "index/dense/graph.h"

namespace vouch {

// The bytes of a graph being built, with all links kNoNode.
class GraphBytes {
 public:
  // Each level has an m-th of the nodes of the one below, drawn in node order.
  static absl::StatusOr<GraphBytes> Create(const VectorCodes& codes, uint32_t m, uint32_t cells);

  // Takes the links of a graph of the first nodes; false where it was not made by the same levels.
  bool TakeLinks(const Graph& first);

  uint32_t nodes() const { return nodes_; }
  size_t m() const { return m_; }
  uint32_t level(uint32_t node) const { return levels_[node]; }
  std::span<const uint8_t> levels() const { return {levels_, nodes_}; }
  size_t Capacity(uint32_t level) const { return level == 0 ? 2 * m_ : m_; }
  std::span<uint32_t> Links(uint32_t node, uint32_t level) const {
    if (level == 0) return {level0_ + size_t{node} * 2 * m_, 2 * m_};
    return {upper_ + (size_t{upper_start_[node]} + level - 1) * m_, m_};
  }
  void SetEntry(uint32_t entry, uint32_t max_level);
  const std::shared_ptr<AlignedBuffer>& buffer() const { return buffer_; }
  // Where the cells go (CellLayout), and their number.
  char* cells() const { return cells_; }
  uint32_t cell_count() const { return cell_count_; }

 private:
  uint32_t nodes_ = 0;
  uint32_t cell_count_ = 0;
  size_t m_ = 0;
  std::vector<uint32_t> upper_start_;
  std::shared_ptr<AlignedBuffer> buffer_;
  const uint8_t* levels_ = nullptr;
  uint32_t* level0_ = nullptr;
  uint32_t* upper_ = nullptr;
  char* cells_ = nullptr;
};

}  // namespace vouch
