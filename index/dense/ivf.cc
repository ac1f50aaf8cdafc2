#include "index/dense/ivf.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "index/dense/kernels.h"
#include "index/dense/vector_codes_layout.h"

namespace vouch {
namespace {

bool AllFinite(const float* values, size_t count) {
  float sum = 0;  // x - x is 0 for a finite x and NaN otherwise
  for (size_t i = 0; i < count; ++i) sum += values[i] - values[i];
  return sum == 0;
}

}  // namespace

uint32_t Ivf::CellsFor(uint32_t nodes) {
  constexpr double kMostCells = 4096;
  const double root = 4 * std::sqrt(static_cast<double>(nodes));
  return static_cast<uint32_t>(std::clamp(std::min(root, nodes / 16.0), 1.0, kMostCells));
}

absl::StatusOr<std::shared_ptr<const Ivf>> Ivf::Parse(std::string_view bytes, uint32_t nodes, uint32_t dim,
                                                      bool with_codes, std::shared_ptr<const void> owner) {
  const auto damaged = [](const char* what) { return absl::DataLossError(absl::StrCat("ivf: ", what)); };
  if (bytes.size() < kHeaderBytes) return damaged("shorter than its header");
  uint32_t header[6];
  std::memcpy(header, bytes.data(), sizeof(header));
  const auto [in_nodes, in_dim, cells, groups, group_size, blocks] = header;
  if (in_nodes != nodes || in_dim != dim || nodes == 0) return damaged("of another column");
  if (cells == 0 || cells > nodes || (groups != 0) != with_codes) return damaged("a number of the header is out of range");
  const bool fits = with_codes ? groups <= kMaxGroups && group_size > 0 && group_size <= dim &&
                                     uint64_t{groups} * group_size >= dim && uint64_t{groups - 1} * group_size < dim
                               : group_size == 0 && blocks == 0;
  if (!fits || blocks > nodes) return damaged("groups and dimensions do not fit together");
  const IvfLayout layout(nodes, dim, cells, groups, group_size, blocks);
  if (bytes.size() != layout.size) return damaged("bytes are missing or left over");
  auto ivf = std::make_shared<Ivf>();
  const auto floats = [&](size_t at) { return reinterpret_cast<const float*>(bytes.data() + at); };
  ivf->nodes_ = nodes;
  ivf->dim_ = dim;
  ivf->cells_ = cells;
  ivf->groups_ = groups;
  ivf->group_size_ = group_size;
  ivf->shift_ = floats(layout.shift);
  ivf->mean_ = floats(layout.mean);
  ivf->start_ = reinterpret_cast<const uint32_t*>(bytes.data() + layout.start);
  ivf->node_ = reinterpret_cast<const uint32_t*>(bytes.data() + layout.node);
  ivf->book_ = floats(layout.book);
  ivf->bias_ = floats(layout.bias);
  ivf->code_ = reinterpret_cast<const uint8_t*>(bytes.data() + layout.code);
  if (ivf->start_[0] != 0 || ivf->start_[cells] != nodes || !std::is_sorted(ivf->start_, ivf->start_ + cells + 1)) {
    return damaged("the cells do not hold the nodes one after the other");
  }
  std::vector<bool> seen(nodes);
  for (uint32_t i = 0; i < nodes; ++i) {
    if (ivf->node_[i] >= nodes || seen[ivf->node_[i]]) return damaged("a node does not stand in just one cell");
    seen[ivf->node_[i]] = true;
  }
  uint32_t block = 0;
  for (uint32_t cell = 0; cell < cells; ++cell) {
    ivf->first_block_.push_back(block);
    block += (ivf->start_[cell + 1] - ivf->start_[cell] + static_cast<uint32_t>(kPqBlock) - 1) / kPqBlock;
  }
  if (with_codes && block != blocks) return damaged("blocks and cells do not fit together");
  if (!AllFinite(ivf->shift_, dim) || !AllFinite(ivf->mean_, size_t{cells} * dim) ||
      (with_codes && (!AllFinite(ivf->book_, size_t{groups} * 16 * group_size) || !AllFinite(ivf->bias_, nodes)))) {
    return damaged("a number is not finite");
  }
  ivf->bytes_ = bytes;
  ivf->owner_ = std::move(owner);
  return ivf;
}

void Ivf::Prepare(const float* query, Metric metric, Query& out) const {
  const DistanceKernels& kernels = BestKernels();
  out.factor = metric == Metric::kInnerProduct ? 1.0f : 2.0f;
  out.shifted.assign(std::max<size_t>(dim_, size_t{groups_} * group_size_), 0.0f);
  for (uint32_t d = 0; d < dim_; ++d) out.shifted[d] = query[d] - shift_[d];
  out.products.resize(cells_);
  out.keys.resize(cells_);
  for (uint32_t cell = 0; cell < cells_; ++cell) {
    const float* mean = mean_ + size_t{cell} * dim_;
    out.products[cell] = -kernels.negative_ip(out.shifted.data(), mean, dim_);
    out.keys[cell] = metric == Metric::kInnerProduct ? -out.products[cell] : kernels.l2(out.shifted.data(), mean, dim_);
  }
  if (groups_ == 0) return;
  std::vector<float> exact(size_t{groups_} * 16);
  float widest = 0;
  out.base = 0;
  for (uint32_t group = 0; group < groups_; ++group) {
    float* products = exact.data() + size_t{group} * 16;
    const float* values = out.shifted.data() + size_t{group} * group_size_;
    for (uint32_t entry = 0; entry < 16; ++entry) {
      const float* of_book = book_ + (size_t{group} * 16 + entry) * group_size_;
      float product = 0;
      for (uint32_t i = 0; i < group_size_; ++i) product += values[i] * of_book[i];
      products[entry] = std::isfinite(product) ? product : 0.0f;
    }
    const auto [least, most] = std::minmax_element(products, products + 16);
    const float low = *least;
    widest = std::max(widest, *most - low);
    out.base += low;
    for (uint32_t entry = 0; entry < 16; ++entry) products[entry] -= low;
  }
  out.step = widest > 0 && std::isfinite(widest) ? widest / 255.0f : 1.0f;
  out.table.resize(exact.size());
  for (size_t i = 0; i < exact.size(); ++i) {
    out.table[i] = static_cast<uint8_t>(RoundWithin(exact[i] / out.step, 0, 255));
  }
}

void Ivf::Keys(const Query& query, uint32_t cell, std::vector<float>& out) const {
  const uint32_t begin = start_[cell];
  const uint32_t count = start_[cell + 1] - begin;
  const size_t blocks = (count + kPqBlock - 1) / kPqBlock;
  out.resize(blocks * kPqBlock);
  const PqKernels::Sums sums = BestPqKernels().sums;
  const float product = query.products[cell] + query.base;
  const uint8_t* codes = code_ + size_t{first_block_[cell]} * groups_ * kPqGroupBytes;
  for (size_t block = 0; block < blocks; ++block, codes += size_t{groups_} * kPqGroupBytes) {
    uint16_t found[kPqBlock];
    sums(codes, query.table.data(), groups_, found);
    float* keys = out.data() + block * kPqBlock;
    const uint32_t at = static_cast<uint32_t>(block * kPqBlock);
    const size_t here = std::min<size_t>(kPqBlock, count - at);
    for (size_t i = 0; i < here; ++i) {
      const float approximate = product + query.step * static_cast<float>(found[i]);
      keys[i] = bias_[begin + at + i] - query.factor * approximate;
    }
  }
  out.resize(count);
}

}  // namespace vouch
