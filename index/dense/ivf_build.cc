#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/cell_table.h"
#include "index/dense/ivf.h"
#include "index/dense/kernels.h"
#include "index/dense/parallel.h"
#include "index/dense/principal_axes.h"
#include "index/dense/vector_codes.h"

namespace vouch {
namespace {

constexpr uint32_t kMeanSample = 4096;
// Books are made of so many nodes, fewer of long vectors, in so many rounds of k-means.
constexpr uint32_t kBookNodes = 16'384;
constexpr size_t kBookValues = size_t{4} << 20;
constexpr int kBookRounds = 8;
constexpr size_t kValuesAtOnce = size_t{1} << 20;  // that a thread codes
constexpr size_t kPiecesAThread = 8;

float SquaredDistance(const float* a, const float* b, uint32_t size) {
  float sum = 0;
  for (uint32_t i = 0; i < size; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// The first of the 16 entries that is nearest, as FindEntries says.
uint32_t NearestEntry(const float* values, const float* book, uint32_t size) {
  uint32_t best = 0;
  float least = SquaredDistance(values, book, size);
  for (uint32_t entry = 1; entry < 16; ++entry) {
    const float distance = SquaredDistance(values, book + size_t{entry} * size, size);
    if (distance < least) {
      least = distance;
      best = entry;
    }
  }
  return best;
}

}  // namespace

class IvfBuilder {
 public:
  IvfBuilder(const DenseColumn& column, bool with_codes, int threads, const DenseBuildHelp& help)
      : column_(column),
        help_(help),
        threads_(std::max(1, threads)),
        dim_(column.dim()),
        cells_(Ivf::CellsFor(column.nodes())) {
    if (!with_codes) return;
    group_size_ = std::min(dim_, std::max(2u, (dim_ + Ivf::kMaxGroups - 1) / Ivf::kMaxGroups));
    groups_ = (dim_ + group_size_ - 1) / group_size_;
  }

  absl::StatusOr<std::shared_ptr<const Ivf>> Build(const BuildProgress& progress) {
    if (absl::Status status = progress(0); !status.ok()) return status;
    if (absl::Status status = FindCells(); !status.ok()) return status;
    if (absl::Status status = progress(0.5); !status.ok()) return status;
    if (absl::Status status = Allocate(); !status.ok()) return status;
    SetMeans();
    if (groups_ > 0) {
      MakeBooks();
      if (absl::Status status = progress(0.7); !status.ok()) return status;
      EncodeAll();
    }
    if (absl::Status status = progress(1); !status.ok()) return status;
    return Ivf::Parse(buffer_->view(), column_.nodes(), dim_, groups_ > 0, buffer_);
  }

 private:
  // By codes of the vectors (vector_codes.h), which are let go.
  absl::Status FindCells() {
    const auto codes = VectorCodes::Build(column_, threads_);
    if (!codes.ok()) return codes.status();
    const CellLayout layout(column_.nodes(), cells_, (*codes)->stride());
    AlignedBuffer bytes(layout.size);
    if (bytes.data() == nullptr) return absl::ResourceExhaustedError("no memory for the cells of an ivf");
    BuildCells(**codes, column_.metric(), cells_, threads_, bytes.data(), help_.assign);
    const auto* start = reinterpret_cast<const uint32_t*>(bytes.data() + layout.start);
    const auto* node = reinterpret_cast<const uint32_t*>(bytes.data() + layout.node);
    start_.assign(start, start + cells_ + 1);
    node_.assign(node, node + column_.nodes());
    return absl::OkStatus();
  }

  uint32_t BlocksOf(uint32_t cell) const {
    return (start_[cell + 1] - start_[cell] + static_cast<uint32_t>(kPqBlock) - 1) / kPqBlock;
  }

  absl::Status Allocate() {
    for (uint32_t cell = 0; groups_ > 0 && cell < cells_; ++cell) {
      first_block_.push_back(blocks_);
      blocks_ += BlocksOf(cell);
    }
    const IvfLayout layout(column_.nodes(), dim_, cells_, groups_, group_size_, blocks_);
    buffer_ = std::make_shared<AlignedBuffer>(layout.size);
    char* bytes = buffer_->data();
    if (bytes == nullptr) return absl::ResourceExhaustedError(absl::StrCat("no memory for an ivf of ", layout.size, " bytes"));
    std::memset(bytes, 0, layout.size);
    const uint32_t header[] = {column_.nodes(), dim_, cells_, groups_, group_size_, blocks_};
    std::memcpy(bytes, header, sizeof(header));
    std::memcpy(bytes + layout.start, start_.data(), start_.size() * sizeof(uint32_t));
    std::memcpy(bytes + layout.node, node_.data(), node_.size() * sizeof(uint32_t));
    shift_ = FindMean(column_, kMeanSample);
    std::memcpy(bytes + layout.shift, shift_.data(), shift_.size() * sizeof(float));
    mean_ = reinterpret_cast<float*>(bytes + layout.mean);
    book_ = reinterpret_cast<float*>(bytes + layout.book);
    bias_ = reinterpret_cast<float*>(bytes + layout.bias);
    code_ = reinterpret_cast<uint8_t*>(bytes + layout.code);
    return absl::OkStatus();
  }

  void SetMeans() {
    ParallelFor(0, cells_, threads_, 16, [&](size_t cell, size_t) {
      const uint32_t begin = start_[cell], end = start_[cell + 1];
      std::vector<double> sums(dim_);
      std::vector<float> scratch(dim_);
      for (uint32_t i = begin; i < end; ++i) {
        const float* values = column_.Values(node_[i], scratch.data());
        for (uint32_t d = 0; d < dim_; ++d) sums[d] += static_cast<double>(values[d]);
      }
      // An empty cell is at the mean of all.
      for (uint32_t d = 0; d < dim_ && begin < end; ++d) {
        mean_[cell * dim_ + d] = static_cast<float>(sums[d] / (end - begin) - static_cast<double>(shift_[d]));
      }
    });
  }

  // What the node differs from its cell's mean in; zeros from dim on. `out` has a place for each value of the groups.
  void Rest(uint32_t node, uint32_t cell, std::vector<float>& scratch, float* out) const {
    scratch.resize(dim_);
    const float* values = column_.Values(node, scratch.data());
    const float* mean = mean_ + size_t{cell} * dim_;
    for (uint32_t d = 0; d < dim_; ++d) out[d] = values[d] - shift_[d] - mean[d];
    std::fill(out + dim_, out + size_t{groups_} * group_size_, 0.0f);
  }

  // k-means of each group, from 16 of a sample, spread over it. An entry that nothing is nearest to stays where it is.
  void MakeBooks() {
    const size_t width = size_t{groups_} * group_size_;
    const auto sample = static_cast<uint32_t>(std::min<size_t>(
        {column_.nodes(), kBookNodes, std::max<size_t>(256, kBookValues / width)}));
    std::vector<uint32_t> cell_of(column_.nodes());  // by place in node_
    for (uint32_t cell = 0; cell < cells_; ++cell) {
      std::fill(cell_of.begin() + start_[cell], cell_of.begin() + start_[cell + 1], cell);
    }
    std::vector<float> rests(sample * width);
    ParallelFor(0, sample, threads_, 64, [&](size_t i, size_t) {
      std::vector<float> scratch;
      const uint64_t place = i * column_.nodes() / sample;
      Rest(node_[place], cell_of[place], scratch, rests.data() + i * width);
    });
    for (size_t group = 0; group < groups_; ++group) {
      for (size_t entry = 0; entry < 16; ++entry) {
        std::copy_n(rests.data() + entry * sample / 16 * width + group * group_size_, group_size_,
                    book_ + (group * 16 + entry) * group_size_);
      }
    }
    std::vector<uint8_t> nearest(sample * groups_);
    for (int round = 0; round < kBookRounds; ++round) {
      if (!FindEntriesElsewhere(rests, nearest)) {
        ParallelFor(0, sample, threads_, 64, [&](size_t i, size_t) {
          FindEntriesHere(rests.data() + i * width, nearest.data() + i * groups_);
        });
      }
      ParallelFor(0, groups_, threads_, 1, [&](size_t group, size_t) { MoveEntries(group, rests, nearest); });
    }
  }

  // To the means of what is nearest to them.
  void MoveEntries(size_t group, std::span<const float> rests, std::span<const uint8_t> nearest) {
    const size_t width = size_t{groups_} * group_size_;
    float* const book = book_ + group * 16 * group_size_;
    std::vector<double> sums(16 * size_t{group_size_});
    uint32_t counts[16] = {};
    for (size_t i = 0; i < rests.size() / width; ++i) {
      const uint32_t entry = nearest[i * groups_ + group];
      const float* const values = rests.data() + i * width + group * group_size_;
      ++counts[entry];
      for (uint32_t d = 0; d < group_size_; ++d) sums[size_t{entry} * group_size_ + d] += static_cast<double>(values[d]);
    }
    for (size_t i = 0; i < sums.size(); ++i) {
      const uint32_t count = counts[i / group_size_];
      if (count > 0) book[i] = static_cast<float>(sums[i] / count);
    }
  }

  // By whoever helps; false: nobody does, or failed. On any thread.
  bool FindEntriesElsewhere(std::span<const float> rests, std::span<uint8_t> nearest) {
    if (!help_.entries || help_failed_) return false;
    const absl::Status status = help_.entries({.entries = book_, .groups = groups_, .size = group_size_}, rests, nearest);
    if (absl::IsAborted(status)) return false;
    const auto is_entry = [](uint8_t entry) { return entry < 16; };
    if (status.ok() && std::all_of(nearest.begin(), nearest.end(), is_entry)) return true;
    help_failed_ = true;
    return false;
  }
  // Of one row.
  void FindEntriesHere(const float* rest, uint8_t* nearest) const {
    for (size_t group = 0; group < groups_; ++group) {
      nearest[group] = static_cast<uint8_t>(
          NearestEntry(rest + group * group_size_, book_ + group * 16 * group_size_, group_size_));
    }
  }

  // Calls visit(block, cell, first place, last place) for each of the blocks [begin, end).
  template <typename Visit>
  void ForBlocks(uint32_t begin, uint32_t end, const Visit& visit) const {
    // The last cell whose first block is no later: cells without nodes have none.
    auto cell = static_cast<uint32_t>(std::upper_bound(first_block_.begin(), first_block_.end(), begin) - first_block_.begin() - 1);
    for (uint32_t block = begin; block < end; ++block) {
      while (cell + 1 < cells_ && first_block_[cell + 1] <= block) ++cell;
      const uint32_t place = start_[cell] + (block - first_block_[cell]) * static_cast<uint32_t>(kPqBlock);
      visit(block, cell, place, std::min(place + static_cast<uint32_t>(kPqBlock), start_[cell + 1]));
    }
  }

  void EncodeAll() {
    const size_t width = size_t{groups_} * group_size_;
    // Pieces for all threads, and not too large ones.
    const size_t most = std::max<size_t>(1, kValuesAtOnce / (kPqBlock * width));
    const auto at_once = static_cast<uint32_t>(std::clamp<size_t>(blocks_ / (kPiecesAThread * static_cast<size_t>(threads_)), 1, most));
    ParallelFor(0, (blocks_ + at_once - 1) / at_once, threads_, 1, [&](size_t piece, size_t) {
      const auto begin = static_cast<uint32_t>(piece * at_once);
      EncodeBlocks(begin, std::min(blocks_, begin + at_once));
    });
  }

  void EncodeBlocks(uint32_t begin, uint32_t end) {
    const bool has_bias = column_.metric() != Metric::kInnerProduct;
    const DistanceKernels::One l2 = BestKernels().l2;
    const size_t width = size_t{groups_} * group_size_;
    std::vector<float> scratch(dim_), rests(size_t{end - begin} * kPqBlock * width);
    size_t rows = 0;
    ForBlocks(begin, end, [&](uint32_t, uint32_t cell, uint32_t first, uint32_t last) {
      for (uint32_t place = first; place < last; ++place) {
        Rest(node_[place], cell, scratch, rests.data() + rows++ * width);
        if (has_bias) bias_[place] = l2(column_.Values(node_[place], scratch.data()), shift_.data(), dim_);
      }
    });
    std::vector<uint8_t> nearest(rows * groups_);
    if (!FindEntriesElsewhere(std::span<const float>(rests).first(rows * width), nearest)) {
      for (size_t row = 0; row < rows; ++row) FindEntriesHere(rests.data() + row * width, nearest.data() + row * groups_);
    }
    const uint8_t* entry = nearest.data();
    ForBlocks(begin, end, [&](uint32_t block, uint32_t, uint32_t first, uint32_t last) {
      uint8_t* const codes = code_ + size_t{block} * groups_ * kPqGroupBytes;
      for (uint32_t within = 0; within < last - first; ++within) {
        for (uint32_t group = 0; group < groups_; ++group, ++entry) {
          codes[group * kPqGroupBytes + within % 16] |= static_cast<uint8_t>(within < 16 ? *entry : *entry << 4);
        }
      }
    });
  }

  const DenseColumn& column_;
  const DenseBuildHelp& help_;
  std::atomic<bool> help_failed_{false};  // with entries; it is not asked again
  const int threads_;
  const uint32_t dim_;
  const uint32_t cells_;
  uint32_t groups_ = 0;
  uint32_t group_size_ = 0;
  std::vector<uint32_t> start_;
  std::vector<uint32_t> node_;
  std::vector<uint32_t> first_block_;  // of each cell
  uint32_t blocks_ = 0;
  std::vector<float> shift_;
  std::shared_ptr<AlignedBuffer> buffer_;
  float* mean_ = nullptr;
  float* book_ = nullptr;
  float* bias_ = nullptr;
  uint8_t* code_ = nullptr;
};

absl::StatusOr<std::shared_ptr<const Ivf>> Ivf::Build(const DenseColumn& column, bool with_codes, int threads,
                                                      const BuildProgress& progress, const DenseBuildHelp& help) {
  if (column.mapped() != nullptr) {
    return absl::InvalidArgumentError("an ivf is built over vectors in private memory; these lie in a file");
  }
  if (column.nodes() == 0 || column.nodes() >= Graph::kMaxNodes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an ivf takes 1 to ", Graph::kMaxNodes - 1, " vectors; there are ", column.nodes()));
  }
  return IvfBuilder(column, with_codes, threads, help).Build(progress);
}

}  // namespace vouch
