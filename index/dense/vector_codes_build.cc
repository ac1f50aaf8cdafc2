#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "index/dense/kernels.h"
#include "index/dense/parallel.h"
#include "index/dense/principal_axes.h"
#include "index/dense/vector_codes.h"
#include "index/dense/vector_codes_layout.h"

namespace vouch {
namespace {

// Projections tried, shortest first: with the bias each fills whole cache lines.
constexpr uint32_t kCodeDims[] = {60, 124, 188, 252};
constexpr uint32_t kAxesSample = 4096;
// A projection takes at least this many rows an axis, or its axes are chance.
constexpr uint32_t kRowsPerAxis = 4;
// The trial: how many of the kTrialK nearest rows are among the kTrialFirst first by code.
constexpr uint32_t kTrialRows = 16'384;
constexpr uint32_t kTrialQueries = 64;
constexpr uint32_t kTrialK = 10;
constexpr uint32_t kTrialFirst = 16;
constexpr uint32_t kFittedFirst = 40;  // where all of a search's candidates are scored: 3k + 10
constexpr double kTrialRecall = 0.99;
constexpr uint32_t kLikeTrialRows = 1024;  // where the axes are given
// This share of the sampled values is within the codes' range; the others are cut.
constexpr double kWithinRange = 0.9999;
constexpr uint32_t kStepRows = 2000;

}  // namespace

class CodeBuilder {
 public:
  CodeBuilder(const DenseColumn& column, int threads) : column_(column), threads_(threads) {}

  absl::StatusOr<std::shared_ptr<const VectorCodes>> Build() {
    uint32_t longest = 0;
    for (uint32_t dim : kCodeDims) {
      if (dim < column_.dim() && column_.nodes() / kRowsPerAxis >= dim) longest = dim;
    }
    if (longest == 0) {
      axes_.mean = FindMean(column_, kAxesSample);
      return FillFitted(column_, 0);
    }
    axes_ = FindPrincipalAxes(column_, longest, kAxesSample);
    absl::StatusOr<DenseColumn> trial = Sample(kTrialRows);
    if (!trial.ok()) return trial.status();
    MakeTruth(*trial);
    for (uint32_t dim : kCodeDims) {
      if (dim > longest) break;
      absl::StatusOr<std::shared_ptr<const VectorCodes>> codes = FillFitted(*trial, dim);
      if (!codes.ok()) return codes.status();
      if (TrialRecall(**codes) >= kTrialRecall) return FillFitted(column_, dim);
    }
    return FillFitted(column_, 0);
  }

  absl::StatusOr<std::shared_ptr<const VectorCodes>> Fit() {
    axes_.mean = FindMean(column_, kAxesSample);
    fitted_nodes_ = column_.nodes();
    DenseField field;
    field.dim = column_.dim();
    field.metric = column_.metric();
    const float step = FindStep(column_, 0);
    absl::StatusOr<DenseColumn> trial = Sample(kTrialRows);
    if (!trial.ok()) return trial.status();
    MakeTruth(*trial);
    absl::StatusOr<std::shared_ptr<const VectorCodes>> codes = Fill(*trial, 0, step, nullptr);
    if (!codes.ok()) return codes.status();
    if (FittedRecall(**codes, *trial) < kTrialRecall) return std::shared_ptr<const VectorCodes>();
    absl::StatusOr<DenseColumn> none = DenseColumn::Build(field, {});
    if (!none.ok()) return none.status();
    return Fill(*none, 0, step, nullptr);
  }

  // The first vectors are those of `first`, where it is not null.
  absl::StatusOr<std::shared_ptr<const VectorCodes>> BuildLike(const VectorCodes& model, const VectorCodes* first) {
    axes_.mean.assign(model.mean_.begin(), model.mean_.end());
    axes_.axes.assign(model.axes_.begin(), model.axes_.end());
    fitted_nodes_ = model.fitted_nodes_;
    first_ = first == nullptr ? 0 : first->nodes_;
    const uint32_t projection = model.projected_ ? model.code_dim_ : 0;
    absl::StatusOr<DenseColumn> trial = Sample(kLikeTrialRows);
    if (!trial.ok()) return trial.status();
    MakeTruth(*trial);
    absl::StatusOr<std::shared_ptr<const VectorCodes>> codes = Fill(*trial, projection, model.step_, nullptr);
    if (!codes.ok()) return codes.status();
    if (TrialRecall(**codes) < kTrialRecall) return std::shared_ptr<const VectorCodes>();
    return Fill(column_, projection, model.step_, first);
  }

 private:
  // The vectors whose codes are not there yet.
  uint32_t others() const { return column_.nodes() - first_; }

  // The trial's queries lie between its rows where there are more vectors than in the trial.
  const float* TrialQuery(uint32_t i, std::vector<float>& scratch) const {
    const uint64_t step = std::max<uint64_t>(1, others() / kTrialQueries);
    scratch.resize(column_.dim());
    const uint64_t other = std::min<uint64_t>(i * step + step / 2, others() - 1);
    return column_.Values(first_ + static_cast<uint32_t>(other), scratch.data());
  }

  absl::StatusOr<DenseColumn> Sample(uint32_t rows) const {
    rows = std::min(rows, others());
    const size_t dim = column_.dim();
    std::vector<float> decoded(column_.type() == VectorType::kF32 ? 0 : rows * dim);
    std::vector<std::span<const float>> vectors;
    for (uint32_t i = 0; i < rows; ++i) {
      float* scratch = decoded.empty() ? nullptr : decoded.data() + i * dim;
      const uint32_t node = first_ + static_cast<uint32_t>(uint64_t{i} * others() / rows);
      vectors.push_back({column_.Values(node, scratch), dim});
    }
    DenseField field;  // of f32, so that the values are at hand
    field.dim = column_.dim();
    field.metric = column_.metric();
    return DenseColumn::Build(field, vectors);
  }

  // The `count` nodes of least `key`, ascending by node.
  template <typename Key>
  static std::vector<uint32_t> Least(uint32_t nodes, size_t count, const Key& key) {
    std::vector<std::pair<float, uint32_t>> keys(nodes);
    for (uint32_t node = 0; node < nodes; ++node) keys[node] = {key(node), node};
    count = std::min<size_t>(count, nodes);
    std::partial_sort(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(count), keys.end());
    std::vector<uint32_t> least;
    for (size_t i = 0; i < count; ++i) least.push_back(keys[i].second);
    std::sort(least.begin(), least.end());
    return least;
  }

  void MakeTruth(const DenseColumn& trial) {
    truth_.resize(kTrialQueries);
    const DistanceKernels::One distance = BestKernels().one(trial.metric());
    ParallelFor(0, kTrialQueries, threads_, 1, [&](size_t i, size_t) {
      std::vector<float> scratch;
      const float* query = TrialQuery(static_cast<uint32_t>(i), scratch);
      truth_[i] = Least(trial.nodes(), kTrialK,
                        [&](uint32_t node) { return distance(query, trial.Values(node, nullptr), trial.dim()); });
    });
  }

  double TrialRecall(const VectorCodes& codes) const {
    size_t found = 0;
    size_t wanted = 0;
    CodeQuery query;
    std::vector<float> scratch;
    for (uint32_t i = 0; i < kTrialQueries; ++i) {
      codes.Encode(TrialQuery(i, scratch), query);
      const auto least = Least(codes.nodes(), kTrialFirst, [&](uint32_t node) { return codes.Key(query, node); });
      wanted += truth_[i].size();
      for (uint32_t node : truth_[i]) found += std::binary_search(least.begin(), least.end(), node) ? 1 : 0;
    }
    return wanted == 0 ? 1.0 : static_cast<double>(found) / static_cast<double>(wanted);
  }

  // Likewise among as many as a search scores, where a row that is as near as the last of the nearest is as good.
  double FittedRecall(const VectorCodes& codes, const DenseColumn& trial) const {
    const DistanceKernels::One distance = BestKernels().one(trial.metric());
    size_t found = 0;
    size_t wanted = 0;
    CodeQuery query;
    std::vector<float> scratch;
    for (uint32_t i = 0; i < kTrialQueries; ++i) {
      const float* const vector = TrialQuery(i, scratch);
      codes.Encode(vector, query);
      const auto to = [&](uint32_t node) { return distance(vector, trial.Values(node, nullptr), trial.dim()); };
      float last = -std::numeric_limits<float>::infinity();
      for (const uint32_t node : truth_[i]) last = std::max(last, to(node));
      const auto least = Least(codes.nodes(), kFittedFirst, [&](uint32_t node) { return codes.Key(query, node); });
      const auto near = std::count_if(least.begin(), least.end(), [&](uint32_t node) { return to(node) <= last; });
      wanted += truth_[i].size();
      found += std::min(truth_[i].size(), static_cast<size_t>(near));
    }
    return wanted == 0 ? 1.0 : static_cast<double>(found) / static_cast<double>(wanted);
  }

  // The values that the code of `vector` rounds: `dim` projections, or all shifted values for 0. `scratch`: dim floats.
  void Values(const float* vector, uint32_t dim, std::span<float> scratch, std::span<float> out) const {
    const std::span<float> centred = dim == 0 ? out : scratch;
    for (uint32_t d = 0; d < column_.dim(); ++d) centred[d] = vector[d] - axes_.mean[d];
    if (dim > 0) Project({axes_.axes.data(), size_t{dim} * column_.dim()}, centred, out);
  }

  float FindStep(const DenseColumn& column, uint32_t dim) const {
    const uint32_t values = dim == 0 ? column.dim() : dim;
    const uint32_t rows = std::min(kStepRows, column.nodes());
    std::vector<float> sizes(size_t{rows} * values);
    std::vector<float> scratch(column.dim());
    std::vector<float> decoded(column.dim());
    for (uint32_t i = 0; i < rows; ++i) {
      const auto node = static_cast<uint32_t>(uint64_t{i} * column.nodes() / rows);
      Values(column.Values(node, decoded.data()), dim, scratch,
             {sizes.data() + size_t{i} * values, values});
    }
    for (float& size : sizes) size = std::isfinite(size) ? std::fabs(size) : 0.0f;
    const auto at = static_cast<size_t>(kWithinRange * static_cast<double>(sizes.size() - 1));
    std::nth_element(sizes.begin(), sizes.begin() + static_cast<ptrdiff_t>(at), sizes.end());
    const float step = sizes[at] / static_cast<float>(kMaxCodeValue - VectorCodes::kOffset);
    return step > 0 ? step : 1.0f;
  }

  // With a step that fits the column.
  absl::StatusOr<std::shared_ptr<const VectorCodes>> FillFitted(const DenseColumn& column, uint32_t projection) const {
    return Fill(column, projection, FindStep(column, projection), nullptr);
  }

  // `first`: codes of the column's first vectors, which are the same; may be null.
  absl::StatusOr<std::shared_ptr<const VectorCodes>> Fill(const DenseColumn& column, uint32_t projection, float step,
                                                          const VectorCodes* first) const {
    VectorCodesHeader header;
    header.nodes = column.nodes();
    header.dim = column.dim();
    header.code_dim = projection == 0 ? column.dim() : projection;
    header.stride = CodeStride(header.code_dim);
    header.step = step;
    header.projected = projection == 0 ? 0 : 1;
    header.fitted_nodes = fitted_nodes_;
    const VectorCodesLayout layout(header);
    auto buffer = std::make_shared<AlignedBuffer>(layout.size);
    if (buffer->data() == nullptr) {
      return absl::ResourceExhaustedError(absl::StrCat("no memory for codes of ", layout.size, " bytes"));
    }
    std::memset(buffer->data(), 0, layout.records);
    std::memcpy(buffer->data(), &header, sizeof(header));
    std::memcpy(buffer->data() + layout.mean, axes_.mean.data(), axes_.mean.size() * sizeof(float));
    if (projection > 0) {
      std::memcpy(buffer->data() + layout.axes, axes_.axes.data(), size_t{projection} * header.dim * sizeof(float));
    }
    auto* records = reinterpret_cast<uint8_t*>(buffer->data() + layout.records);
    std::memset(records + size_t{header.nodes} * header.stride, 0, layout.size - layout.records -
                                                                         size_t{header.nodes} * header.stride);
    const DistanceKernels::One l2 = BestKernels().l2;
    const bool has_bias = column.metric() != Metric::kInnerProduct;
    std::vector<std::vector<float>> scratch(static_cast<size_t>(threads_));
    const uint32_t kept = first == nullptr ? 0 : first->nodes_;
    if (kept > 0) std::memcpy(records, first->records_, size_t{kept} * header.stride);
    ParallelFor(kept, header.nodes, threads_, 256, [&](size_t node, size_t thread) {
      std::vector<float>& space = scratch[thread];
      space.resize(2 * size_t{header.dim} + header.code_dim);
      const std::span<float> values(space.data() + header.dim, header.code_dim);
      const float* vector = column.Values(static_cast<uint32_t>(node), values.data() + header.code_dim);
      Values(vector, projection, {space.data(), header.dim}, values);
      const float bias = has_bias ? l2(vector, axes_.mean.data(), header.dim) : 0.0f;
      WriteCodeRecord(values, header.step, bias, header.stride, records + node * header.stride);
    });
    return VectorCodes::Parse(buffer->view(), column.nodes(), column.dim(), column.metric(), buffer);
  }

  const DenseColumn& column_;
  const int threads_;
  uint32_t first_ = 0;         // vectors before it have codes already
  uint32_t fitted_nodes_ = 0;  // as in the header
  PrincipalAxes axes_;
  std::vector<std::vector<uint32_t>> truth_;  // the nearest nodes of the trial, ascending
};

absl::StatusOr<std::shared_ptr<const VectorCodes>> VectorCodes::Build(const DenseColumn& column, int threads) {
  if (column.nodes() == 0) return absl::InvalidArgumentError("codes take at least one vector");
  return CodeBuilder(column, std::max(1, threads)).Build();
}

absl::StatusOr<std::shared_ptr<const VectorCodes>> VectorCodes::Fit(const DenseColumn& sample) {
  if (sample.nodes() == 0) return absl::InvalidArgumentError("codes take at least one vector");
  return CodeBuilder(sample, 1).Fit();
}

absl::StatusOr<std::shared_ptr<const VectorCodes>> VectorCodes::BuildLike(const DenseColumn& column,
                                                                          const VectorCodes& model, int threads) {
  if (column.nodes() == 0 || column.dim() != model.dim_) {
    return absl::InvalidArgumentError(absl::StrCat("codes of dimension ", model.dim_, " for ", column.nodes(),
                                                   " vectors of dimension ", column.dim()));
  }
  return CodeBuilder(column, std::max(1, threads)).BuildLike(model, nullptr);
}

absl::StatusOr<std::shared_ptr<const VectorCodes>> VectorCodes::Extend(const DenseColumn& column,
                                                                       const VectorCodes& first, int threads) {
  if (column.nodes() <= first.nodes_ || column.dim() != first.dim_) {
    return absl::InvalidArgumentError(absl::StrCat(first.nodes_, " codes of dimension ", first.dim_, " cannot be the first of ",
                                                   column.nodes(), " of dimension ", column.dim()));
  }
  return CodeBuilder(column, std::max(1, threads)).BuildLike(first, &first);
}

}  // namespace vouch
