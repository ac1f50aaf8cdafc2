#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "index/aligned_buffer.h"
#include "index/dense/kernels.h"

namespace vouch {

// What builder and reader of codes share.
struct VectorCodesHeader {
  uint32_t nodes = 0;
  uint32_t dim = 0;
  uint32_t code_dim = 0;
  uint32_t stride = 0;
  float step = 0;
  uint32_t projected = 0;
  uint32_t fitted_nodes = 0;  // from so many vectors mean, axes and step were found; 0: from these
};

// Bytes of one record: the code and its bias, in whole cache lines (half a line for the shortest).
inline uint32_t CodeStride(uint32_t code_dim) {
  const uint32_t bytes = code_dim + static_cast<uint32_t>(sizeof(float));
  return bytes <= 32 ? 32 : static_cast<uint32_t>(AlignUp(bytes));
}

// Where the arrays lie in the bytes of codes.
struct VectorCodesLayout {
  size_t mean = 64;
  size_t axes = 0;
  size_t records = 0;
  size_t size = 0;

  explicit VectorCodesLayout(const VectorCodesHeader& header)
      : axes(AlignUp(mean + size_t{header.dim} * sizeof(float))),
        records(axes + (header.projected != 0 ? AlignUp(size_t{header.code_dim} * header.dim * sizeof(float)) : 0)),
        size(AlignUp(records + size_t{header.nodes} * header.stride)) {}
};

// out[i] = ⟨axis i, vector⟩, in the one order of operations that all kernels keep.
inline void Project(std::span<const float> axes, std::span<const float> vector, std::span<float> out) {
  const DistanceKernels& kernels = BestKernels();
  const size_t dim = vector.size();
  size_t i = 0;
  for (; i + 4 <= out.size(); i += 4) {
    const float* rows[4];
    for (size_t r = 0; r < 4; ++r) rows[r] = axes.data() + (i + r) * dim;
    kernels.negative_ip_four(vector.data(), rows, dim, out.data() + i);
  }
  for (; i < out.size(); ++i) out[i] = kernels.negative_ip(vector.data(), axes.data() + i * dim, dim);
  for (float& value : out) value = -value;
}

// The nearest integer (ties to even) within [low, high]; 0 for NaN.
inline int RoundWithin(float value, int low, int high) {
  if (std::isnan(value)) return 0;
  if (value <= static_cast<float>(low)) return low;
  if (value >= static_cast<float>(high)) return high;
  return static_cast<int>(std::lrintf(value));
}

// A record of `values`, which its code rounds to steps of `step`.
void WriteCodeRecord(std::span<const float> values, float step, float bias, uint32_t stride, uint8_t* record);

}  // namespace vouch
