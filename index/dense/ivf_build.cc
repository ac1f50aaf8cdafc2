#include <algorithm>
#include <cstring>
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

float SquaredDistance(const float* a, const float* b, uint32_t size) {
  float sum = 0;
  for (uint32_t i = 0; i < size; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

// The first of the 16 entries that is nearest.
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
  IvfBuilder(const DenseColumn& column, bool with_codes, int threads, const AssignCodes& assign)
      : column_(column),
        assign_(assign),
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
    BuildCells(**codes, column_.metric(), cells_, threads_, bytes.data(), assign_);
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
    uint32_t blocks = 0;
    for (uint32_t cell = 0; groups_ > 0 && cell < cells_; ++cell) {
      first_block_.push_back(blocks);
      blocks += BlocksOf(cell);
    }
    const IvfLayout layout(column_.nodes(), dim_, cells_, groups_, group_size_, blocks);
    buffer_ = std::make_shared<AlignedBuffer>(layout.size);
    char* bytes = buffer_->data();
    if (bytes == nullptr) return absl::ResourceExhaustedError(absl::StrCat("no memory for an ivf of ", layout.size, " bytes"));
    std::memset(bytes, 0, layout.size);
    const uint32_t header[] = {column_.nodes(), dim_, cells_, groups_, group_size_, blocks};
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
    ParallelFor(0, groups_, threads_, 1, [&](size_t group, size_t) { MakeBook(group, rests, sample, width); });
  }

  // k-means from 16 of the sample, spread over it. An entry that nothing is nearest to stays where it is.
  void MakeBook(size_t group, const std::vector<float>& rests, uint32_t sample, size_t width) {
    float* book = book_ + group * 16 * group_size_;
    const auto values = [&](size_t i) { return rests.data() + i * width + group * group_size_; };
    for (size_t entry = 0; entry < 16; ++entry) {
      std::copy_n(values(entry * sample / 16), group_size_, book + entry * group_size_);
    }
    for (int round = 0; round < kBookRounds; ++round) {
      std::vector<double> sums(16 * size_t{group_size_});
      uint32_t counts[16] = {};
      for (uint32_t i = 0; i < sample; ++i) {
        const uint32_t entry = NearestEntry(values(i), book, group_size_);
        ++counts[entry];
        for (uint32_t d = 0; d < group_size_; ++d) {
          sums[size_t{entry} * group_size_ + d] += static_cast<double>(values(i)[d]);
        }
      }
      for (size_t i = 0; i < sums.size(); ++i) {
        const uint32_t count = counts[i / group_size_];
        if (count > 0) book[i] = static_cast<float>(sums[i] / count);
      }
    }
  }

  void EncodeAll() {
    const bool has_bias = column_.metric() != Metric::kInnerProduct;
    const DistanceKernels::One l2 = BestKernels().l2;
    ParallelFor(0, cells_, threads_, 4, [&](size_t cell, size_t) {
      std::vector<float> scratch, rest(size_t{groups_} * group_size_);
      for (uint32_t i = start_[cell]; i < start_[cell + 1]; ++i) {
        Rest(node_[i], static_cast<uint32_t>(cell), scratch, rest.data());
        if (has_bias) bias_[i] = l2(column_.Values(node_[i], scratch.data()), shift_.data(), dim_);
        const uint32_t place = i - start_[cell];
        uint8_t* block = code_ + (size_t{first_block_[cell]} + place / kPqBlock) * groups_ * kPqGroupBytes;
        const uint32_t within = place % kPqBlock;
        for (uint32_t group = 0; group < groups_; ++group) {
          const uint32_t entry = NearestEntry(rest.data() + size_t{group} * group_size_,
                                              book_ + size_t{group} * 16 * group_size_, group_size_);
          block[group * kPqGroupBytes + within % 16] |= static_cast<uint8_t>(within < 16 ? entry : entry << 4);
        }
      }
    });
  }

  const DenseColumn& column_;
  const AssignCodes& assign_;
  const int threads_;
  const uint32_t dim_;
  const uint32_t cells_;
  uint32_t groups_ = 0;
  uint32_t group_size_ = 0;
  std::vector<uint32_t> start_;
  std::vector<uint32_t> node_;
  std::vector<uint32_t> first_block_;
  std::vector<float> shift_;
  std::shared_ptr<AlignedBuffer> buffer_;
  float* mean_ = nullptr;
  float* book_ = nullptr;
  float* bias_ = nullptr;
  uint8_t* code_ = nullptr;
};

absl::StatusOr<std::shared_ptr<const Ivf>> Ivf::Build(const DenseColumn& column, bool with_codes, int threads,
                                                      const BuildProgress& progress, const AssignCodes& assign) {
  if (column.mapped() != nullptr) {
    return absl::InvalidArgumentError("an ivf is built over vectors in private memory; these lie in a file");
  }
  if (column.nodes() == 0 || column.nodes() >= Graph::kMaxNodes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an ivf takes 1 to ", Graph::kMaxNodes - 1, " vectors; there are ", column.nodes()));
  }
  return IvfBuilder(column, with_codes, threads, assign).Build(progress);
}

}  // namespace vouch
