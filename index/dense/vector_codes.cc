#include "index/dense/vector_codes.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "index/dense/kernels.h"
#include "index/dense/vector_codes_layout.h"

namespace vouch {
namespace {

CodeAxes AxesOf(const VectorCodesHeader& header, Metric metric, std::string_view mean_and_axes) {
  const uint32_t numbers[] = {header.code_dim, std::bit_cast<uint32_t>(header.step), static_cast<uint32_t>(metric)};
  return {XXH3_64bits_withSeed(mean_and_axes.data(), mean_and_axes.size(), XXH3_64bits(numbers, sizeof(numbers)))};
}

}  // namespace

absl::StatusOr<std::shared_ptr<const VectorCodes>> VectorCodes::Parse(std::string_view bytes, uint32_t nodes,
                                                                      uint32_t dim, Metric metric,
                                                                      std::shared_ptr<const void> owner) {
  if (bytes.size() < kHeaderBytes) return absl::DataLossError("codes: shorter than their header");
  VectorCodesHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.nodes != nodes || header.dim != dim) {
    return absl::DataLossError(absl::StrCat("codes: ", header.nodes, " codes of dimension ", header.dim,
                                            " where the column has ", nodes, " of ", dim));
  }
  if (header.code_dim == 0 || header.code_dim > header.dim || header.projected > 1 ||
      (header.projected == 0 && header.code_dim != header.dim) ||
      header.stride != CodeStride(header.code_dim) || !std::isfinite(header.step) || header.step <= 0) {
    return absl::DataLossError("codes: a number of the header is out of range");
  }
  const VectorCodesLayout layout(header);
  if (bytes.size() != layout.size) {
    return absl::DataLossError(absl::StrCat("codes: ", bytes.size(), " bytes where ", layout.size, " are due"));
  }
  std::shared_ptr<VectorCodes> codes(new VectorCodes());
  codes->nodes_ = header.nodes;
  codes->dim_ = header.dim;
  codes->code_dim_ = header.code_dim;
  codes->stride_ = header.stride;
  codes->step_ = header.step;
  codes->product_factor_ = metric == Metric::kInnerProduct ? 1.0f : 2.0f;
  codes->projected_ = header.projected != 0;
  codes->fitted_nodes_ = header.fitted_nodes == 0 ? nodes : header.fitted_nodes;
  codes->mean_ = {reinterpret_cast<const float*>(bytes.data() + layout.mean), header.dim};
  if (codes->projected_) {
    codes->axes_ = {reinterpret_cast<const float*>(bytes.data() + layout.axes), size_t{header.code_dim} * header.dim};
  }
  codes->records_ = reinterpret_cast<const uint8_t*>(bytes.data() + layout.records);
  codes->bytes_ = bytes;
  codes->axes_id_ = AxesOf(header, metric, bytes.substr(layout.mean, layout.records - layout.mean));
  codes->owner_ = std::move(owner);
  return codes;
}

void VectorCodes::Encode(const float* query, CodeQuery& out) const {
  out.centred.resize(size_t{dim_} + code_dim_);
  float* centred = out.centred.data();
  float* values = projected_ ? centred + dim_ : centred;
  for (uint32_t d = 0; d < dim_; ++d) centred[d] = query[d] - mean_[d];
  if (projected_) Project(axes_, {centred, dim_}, {values, code_dim_});
  float largest = 0;
  for (uint32_t i = 0; i < code_dim_; ++i) largest = std::max(largest, std::fabs(values[i]));
  const bool usable = largest > 0 && std::isfinite(largest);
  const float step = usable ? largest / static_cast<float>(kMaxCodeValue) : 1.0f;
  out.values.assign(stride_, 0);
  int32_t sum = 0;
  for (uint32_t i = 0; i < code_dim_ && usable; ++i) {
    const auto value = static_cast<int8_t>(RoundWithin(values[i] / step, -kMaxCodeValue, kMaxCodeValue));
    out.values[i] = value;
    sum += value;
  }
  out.scale = product_factor_ * step * step_;
  out.shift = kOffset * sum;
}

void WriteCodeRecord(std::span<const float> values, float step, float bias, uint32_t stride, uint8_t* record) {
  std::memset(record, 0, stride);
  for (size_t i = 0; i < values.size(); ++i) {
    record[i] = static_cast<uint8_t>(
        RoundWithin(values[i] / step, -VectorCodes::kOffset, kMaxCodeValue - VectorCodes::kOffset) + VectorCodes::kOffset);
  }
  std::memcpy(record + stride - sizeof(float), &bias, sizeof(float));
}

void VectorCodes::EncodeRecord(const float* vector, std::vector<float>& scratch, uint8_t* record) const {
  scratch.resize(size_t{dim_} + code_dim_);
  const std::span<float> centred(scratch.data(), dim_);
  for (uint32_t d = 0; d < dim_; ++d) centred[d] = vector[d] - mean_[d];
  std::span<float> values = centred;
  if (projected_) {
    values = {scratch.data() + dim_, code_dim_};
    Project(axes_, centred, values);
  }
  const bool has_bias = product_factor_ != 1.0f;  // as for inner product
  const float bias = has_bias ? BestKernels().l2(vector, mean_.data(), dim_) : 0.0f;
  WriteCodeRecord(values, step_, bias, static_cast<uint32_t>(stride_), record);
}

void VectorCodes::KeysOf(const uint8_t* records, const CodeQuery& query, std::span<float> out) const {
  constexpr size_t kAtOnce = 64;
  constexpr size_t kAheadBytes = 8192;  // the processor's own reading ahead stops at each page's end
  static const std::vector<uint32_t>& numbers = *[] {
    auto* made = new std::vector<uint32_t>(kAtOnce);
    std::iota(made->begin(), made->end(), 0u);
    return made;
  }();
  CodeComparison comparison = {.records = records,
                               .stride = stride_,
                               .query = query.values.data(),
                               .scale = query.scale,
                               .shift = query.shift};
  const uint8_t* const end = records + out.size() * stride_;
  for (size_t done = 0; done < out.size(); done += kAtOnce) {
    const uint8_t* ahead = comparison.records + kAheadBytes;
    for (const uint8_t* at = ahead; at < std::min(end, ahead + kAtOnce * stride_); at += 64) __builtin_prefetch(at);
    keys_(comparison, numbers.data(), std::min(kAtOnce, out.size() - done), out.data() + done);
    comparison.records += kAtOnce * stride_;
  }
}

void VectorCodes::EncodeCode(const uint8_t* values, CodeQuery& out) const {
  out.values.assign(stride_, 0);
  int32_t sum = 0;
  for (uint32_t i = 0; i < code_dim_; ++i) {
    const auto value = static_cast<int8_t>(static_cast<int>(values[i] & kMaxCodeValue) - kOffset);
    out.values[i] = value;
    sum += value;
  }
  out.scale = product_factor_ * step_ * step_;
  out.shift = kOffset * sum;
}

}  // namespace vouch
