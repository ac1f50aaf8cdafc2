#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/aligned_buffer.h"
#include "index/dense/dense_column.h"
#include "index/dense/graph_build.h"
#include "index/dense/pq_kernels.h"

namespace vouch {

// An inverted file over a column's nodes: cells of near nodes, by k-means, of which a search looks at the nearest ones
// (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", 2011). With product codes, the nodes of a
// cell are compared by what they differ from its mean in, rounded to one of 16 for each group of values, 32 nodes at once
// (André, Kermarrec and Le Scouarnec, "Cache locality is not enough", 2015; pq_kernels.h). Without, their vectors are
// compared. The vectors themselves give the scores either way.
//
// Keys order nodes as distances do: |y|² - 2⟨q, y⟩ for all metrics but inner product, with mean-shifted vectors and the
// exact |y|², and -⟨q, y⟩ for inner product; ⟨q, y⟩ is taken as ⟨q, cell's mean⟩ + ⟨q, what the code says of the rest⟩.
//
// Bytes (little-endian; each array starts at a multiple of 64):
//   u32 nodes, u32 dim, u32 cells, u32 groups (0: no codes), u32 group size, u32 blocks
//   f32 shift[dim]
//   f32 mean[cells][dim]              of the shifted vectors
//   u32 start[cells + 1]              where each cell's nodes begin, the last one the number of nodes
//   u32 node[nodes]                   ascending within a cell
//   with codes:
//   f32 book[groups][16][group size]  the last group's values beyond dim are 0
//   f32 bias[nodes]                   |y|² in the order of `node`, 0 for inner product
//   u8  code[blocks][groups][16]      32 nodes of a cell a block, a cell's first block after the one before's last: byte i of
//                                     a group holds node i in its low and node 16 + i in its high four bits
//
// Immutable, thread safe.
//
// Invariants, checked by Parse so that a search needs no checks: every node stands in one cell; there are 1 to nodes
// cells; all floats are finite.
class Ivf {
 public:
  static constexpr size_t kHeaderBytes = 64;
  static constexpr uint32_t kMaxGroups = 256;  // so that sums of 8 bits a group fit in 16

  // About 4 · √nodes, at least one and at most one for 16 nodes.
  static uint32_t CellsFor(uint32_t nodes);

  // Over all nodes of a column in private memory, with product codes or without, on `threads` threads. Equal columns give
  // equal bytes, whatever the number of threads, and whoever helps. INVALID_ARGUMENT: no nodes, or vectors
  // that lie in a file.
  static absl::StatusOr<std::shared_ptr<const Ivf>> Build(const DenseColumn& column, bool with_codes, int threads,
                                                          const BuildProgress& progress, const DenseBuildHelp& help = {});
  // `bytes` start at a multiple of 64 and lie in `owner`. DATA_LOSS where they are not those of `nodes` vectors of `dim`
  // values, break an invariant, or have codes where `with_codes` says no, or none where it says yes.
  static absl::StatusOr<std::shared_ptr<const Ivf>> Parse(std::string_view bytes, uint32_t nodes, uint32_t dim,
                                                          bool with_codes, std::shared_ptr<const void> owner);

  uint32_t nodes() const { return nodes_; }
  uint32_t cells() const { return cells_; }
  bool has_codes() const { return groups_ > 0; }
  uint32_t groups() const { return groups_; }
  std::string_view bytes() const { return bytes_; }

  std::span<const uint32_t> NodesOf(uint32_t cell) const {
    return {node_ + start_[cell], start_[cell + 1] - start_[cell]};
  }

  // A query as cells and codes are compared with it; reused from query to query.
  struct Query {
    std::vector<float> shifted = {};
    std::vector<float> products = {};  // with each cell's mean
    std::vector<float> keys = {};      // of each cell: by these cells are near
    std::vector<uint8_t> table = {};   // groups * 16: the rounded products with the books
    float step = 0;                    // of the table
    float base = 0;                    // what a product is where the table says 0 throughout
    float factor = 0;                  // of products in keys: 2, or 1 for inner product
  };
  // `query`: dim floats, normalised under cosine.
  void Prepare(const float* query, Metric metric, Query& out) const;
  // Keys of the cell's nodes by their codes, in the order of NodesOf; `out` has a place for each and up to 31 more.
  void Keys(const Query& query, uint32_t cell, std::vector<float>& out) const;

 private:
  friend class IvfBuilder;

  uint32_t nodes_ = 0;
  uint32_t dim_ = 0;
  uint32_t cells_ = 0;
  uint32_t groups_ = 0;
  uint32_t group_size_ = 0;
  const float* shift_ = nullptr;
  const float* mean_ = nullptr;
  const uint32_t* start_ = nullptr;
  const uint32_t* node_ = nullptr;
  const float* book_ = nullptr;
  const float* bias_ = nullptr;
  const uint8_t* code_ = nullptr;
  std::vector<uint32_t> first_block_;  // of each cell; derived from start_
  std::string_view bytes_;
  std::shared_ptr<const void> owner_;
};

// Where the arrays lie; shared by builder and parser.
struct IvfLayout {
  size_t shift = Ivf::kHeaderBytes;
  size_t mean = 0;
  size_t start = 0;
  size_t node = 0;
  size_t book = 0;
  size_t bias = 0;
  size_t code = 0;
  size_t size = 0;

  IvfLayout(uint64_t nodes, uint64_t dim, uint64_t cells, uint64_t groups, uint64_t group_size, uint64_t blocks)
      : mean(AlignUp(shift + dim * sizeof(float))),
        start(AlignUp(mean + cells * dim * sizeof(float))),
        node(AlignUp(start + (cells + 1) * sizeof(uint32_t))),
        book(AlignUp(node + nodes * sizeof(uint32_t))),
        bias(groups == 0 ? book : AlignUp(book + groups * 16 * group_size * sizeof(float))),
        code(groups == 0 ? book : AlignUp(bias + nodes * sizeof(float))),
        size(groups == 0 ? book : code + blocks * groups * kPqGroupBytes) {}
};

}  // namespace vouch
