#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <utility>

#include "index/dense/cell_table.h"
#include "index/dense/parallel.h"

namespace vouch {
namespace {

// Rounds of k-means, over at most so many nodes a cell.
constexpr int kRounds = 3;
constexpr uint32_t kTrainNodesPerCell = 16;
constexpr size_t kGrain = 256;

// Keys as integers that order as they do (-0 as 0), so that the compiler may compare many at a time. No key is NaN.
int32_t Ordered(float key) {
  const auto bits = std::bit_cast<int32_t>(key + 0.0f);
  return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

// The first of the least keys. There are keys.
uint32_t FirstLeast(std::span<const float> keys) {
  constexpr size_t kLanes = 16;
  int32_t least[kLanes];
  std::fill(least, least + kLanes, std::numeric_limits<int32_t>::max());
  size_t i = 0;
  for (; i + kLanes <= keys.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) least[lane] = std::min(least[lane], Ordered(keys[i + lane]));
  }
  for (; i < keys.size(); ++i) least[0] = std::min(least[0], Ordered(keys[i]));
  const int32_t wanted = *std::min_element(least, least + kLanes);
  const auto is_wanted = [wanted](float key) { return Ordered(key) == wanted; };
  return static_cast<uint32_t>(std::find_if(keys.begin(), keys.end(), is_wanted) - keys.begin());
}

class CellBuilder {
 public:
  CellBuilder(const VectorCodes& codes, uint32_t cells, int threads, char* out, AssignCodes assign = {})
      : codes_(codes),
        assign_(std::move(assign)),
        cells_(cells),
        threads_(threads),
        layout_(codes.nodes(), cells, codes.stride()),
        out_(out),
        means_(reinterpret_cast<uint8_t*>(out + layout_.means)),
        scratch_(static_cast<size_t>(threads)) {}

  void Run(bool has_length) {
    std::memset(out_, 0, layout_.size);
    for (uint32_t cell = 0; cell < cells_; ++cell) {
      std::memcpy(mean(cell), codes_.code(Spread(cell, cells_)), codes_.code_dim());
    }
    const uint32_t training = static_cast<uint32_t>(
        std::min<uint64_t>(codes_.nodes(), uint64_t{cells_} * kTrainNodesPerCell));
    for (int round = 0; round < kRounds; ++round) {
      Assign(0, training);
      MoveMeans(training);
    }
    Assign(0, codes_.nodes());
    Write(has_length);
  }

  void Extend(const CellTable& first, bool has_length) {
    std::memset(out_, 0, layout_.size);
    std::memcpy(means_, first.means(), size_t{cells_} * codes_.stride());
    uint32_t kept = 0;
    for (uint32_t cell = 0; cell < cells_; ++cell) kept += static_cast<uint32_t>(first.nodes(cell).size());
    assigned_.resize(kept);
    for (uint32_t cell = 0; cell < cells_; ++cell) {
      for (const uint32_t node : first.nodes(cell)) assigned_[node] = cell;
    }
    Assign(kept, codes_.nodes());
    Write(has_length);
  }

 private:
  struct Scratch {
    CodeQuery query;
    std::vector<float> keys;
  };

  uint8_t* mean(uint32_t cell) { return means_ + size_t{cell} * codes_.stride(); }
  // The i-th of `count` nodes spread over all.
  uint32_t Spread(uint32_t i, uint32_t count) const {
    return static_cast<uint32_t>(uint64_t{i} * codes_.nodes() / count);
  }
  void SetBias(uint32_t cell, float bias) {
    std::memcpy(mean(cell) + codes_.stride() - sizeof(bias), &bias, sizeof(bias));
  }
  // The squared length of each mean, so that keys order means as distances between codes do.
  void SetLengths() {
    for (uint32_t cell = 0; cell < cells_; ++cell) {
      int64_t squares = 0;
      for (uint32_t i = 0; i < codes_.code_dim(); ++i) {
        const int64_t value = int64_t{mean(cell)[i]} - VectorCodes::kOffset;
        squares += value * value;
      }
      SetBias(cell, codes_.step() * codes_.step() * static_cast<float>(squares));
    }
  }

  // The i-th of `count` nodes as a query of means.
  void MakeQuery(uint32_t i, uint32_t count, CodeQuery& query) const {
    codes_.EncodeNode(Spread(i, count), query);
    query.scale = 2 * codes_.step() * codes_.step();  // whatever the metric
  }

  // By whoever helps; false: nobody does, or failed.
  bool AssignElsewhere(uint32_t count) {
    if (!assign_) return false;
    absl::StatusOr<std::vector<uint32_t>> cells =
        assign_({.records = means_, .count = cells_, .stride = codes_.stride()}, count, threads_,
                [&](uint32_t i, CodeQuery& query) { MakeQuery(i, count, query); });
    const auto is_cell = [&](uint32_t cell) { return cell < cells_; };
    if (!cells.ok() || cells->size() != count || !std::all_of(cells->begin(), cells->end(), is_cell)) return false;
    assigned_ = *std::move(cells);
    return true;
  }

  // The nearest mean of each of `count` nodes from the `begin`-th on.
  void Assign(uint32_t begin, uint32_t count) {
    SetLengths();
    if (begin == 0 && AssignElsewhere(count)) return;
    assigned_.resize(count);
    ParallelFor(begin, count, threads_, kGrain, [&](size_t i, size_t thread) {
      Scratch& scratch = scratch_[thread];
      scratch.keys.resize(cells_);
      MakeQuery(static_cast<uint32_t>(i), count, scratch.query);
      codes_.KeysOf(means_, scratch.query, scratch.keys);
      assigned_[i] = FirstLeast(scratch.keys);
    });
  }

  // A mean that no node is nearest to stays where it is.
  void MoveMeans(uint32_t count) {
    const uint32_t dim = codes_.code_dim();
    std::vector<uint32_t> sums(size_t{cells_} * dim), sizes(cells_);
    for (uint32_t i = 0; i < count; ++i) {
      const uint8_t* code = codes_.code(Spread(i, count));
      uint32_t* sum = sums.data() + size_t{assigned_[i]} * dim;
      for (uint32_t d = 0; d < dim; ++d) sum[d] += code[d] & kMaxCodeValue;
      ++sizes[assigned_[i]];
    }
    for (uint32_t cell = 0; cell < cells_; ++cell) {
      if (sizes[cell] == 0) continue;
      for (uint32_t d = 0; d < dim; ++d) {
        mean(cell)[d] =
            static_cast<uint8_t>((sums[size_t{cell} * dim + d] + sizes[cell] / 2) / sizes[cell]);
      }
    }
  }

  void Write(bool has_length) {
    for (uint32_t cell = 0; cell < cells_ && !has_length; ++cell) SetBias(cell, 0.0f);
    auto* start = reinterpret_cast<uint32_t*>(out_ + layout_.start);
    auto* nodes = reinterpret_cast<uint32_t*>(out_ + layout_.node);
    for (const uint32_t cell : assigned_) ++start[cell + 1];
    std::partial_sum(start, start + cells_ + 1, start);
    std::vector<uint32_t> next(start, start + cells_);
    for (uint32_t node = 0; node < codes_.nodes(); ++node) nodes[next[assigned_[node]]++] = node;
  }

  const VectorCodes& codes_;
  const AssignCodes assign_;
  const uint32_t cells_;
  const int threads_;
  const CellLayout layout_;
  char* const out_;
  uint8_t* const means_;
  std::vector<Scratch> scratch_;    // one a thread
  std::vector<uint32_t> assigned_;  // the cell of each node looked at
};

}  // namespace

void BuildCells(const VectorCodes& codes, Metric metric, uint32_t cells, int threads, char* out, const AssignCodes& assign) {
  if (cells > 0) CellBuilder(codes, cells, threads, out, assign).Run(metric != Metric::kInnerProduct);
}

void ExtendCells(const VectorCodes& codes, Metric metric, const CellTable& first, int threads, char* out) {
  CellBuilder(codes, first.cells(), threads, out).Extend(first, metric != Metric::kInnerProduct);
}

}  // namespace vouch
