#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/dense/code_kernels.h"
#include "index/dense/dense_column.h"

namespace vouch {

// A query as codes are compared with it; made by VectorCodes::Encode, reused from query to query.
struct CodeQuery {
  std::vector<int8_t> values;  // stride of them, 0 where a code has no value
  float scale = 0;             // of an inner product, in the key
  int32_t shift = 0;           // what the offset of code values adds to each inner product
  std::vector<float> centred;  // scratch
};

// Says which codes have the same mean, axes and step: a query is the same to them, and their keys can be compared.
struct CodeAxes {
  uint64_t hash = 0;
  friend bool operator==(const CodeAxes&, const CodeAxes&) = default;
};

// Short codes of a column's vectors, by which the graph is built and walked; the vectors themselves give the scores.
// A vector is shifted by the mean, projected on its leading principal axes (all of its values where that keeps too
// little), and each value rounded to 7 bits at one step for all axes, as in "LeanVec: Searching vectors faster by making
// them fit" (Tepper and others, 2024). Beside the code stands the exact squared length of the shifted vector, so that
// what the projection leaves out is wrong only by its cross term.
//
// A key orders nodes as distances do, up to the error of the codes: |y|² - 2⟨q, y⟩ for L2 and cosine (whose vectors have
// length 1), -⟨q, y⟩ for inner product. Under L2 and cosine, key plus |q|² approximates the squared distance.
//
// Bytes (little-endian; each array starts at a multiple of 64):
//   u32 nodes, u32 dim, u32 code_dim, u32 stride, f32 step, u32 projected
//   u32 fitted                   from so many vectors mean, axes and step were found; 0: from these
//   f32 mean[dim]
//   f32 axes[code_dim][dim]      where projected is 1
//   record[nodes]                stride bytes: u8 code[code_dim], zeros, f32 bias in the last four
//
// Immutable, thread safe.
//
// Invariants:
// 1. Keys are the same bits on every processor: encoding a query uses the kernels of one defined order, and inner
//    products of codes are exact integers (code_kernels.h).
// 2. A code value is at most kMaxCodeValue, step is above 0, code_dim + 4 is at most stride.
class VectorCodes {
 public:
  static constexpr size_t kHeaderBytes = 64;
  static constexpr int kOffset = 64;  // the code value of 0

  // Chooses the shortest projection under which, on a sample, the 10 nearest rows stay among the 16 first by code nearly
  // always. Uses `threads` threads; the result does not depend on their number. RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<std::shared_ptr<const VectorCodes>> Build(const DenseColumn& column, int threads);
  // Codes by the axes of `model`, which are of the same field; null where, on a sample, those do not keep the nearest rows
  // first. RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<std::shared_ptr<const VectorCodes>> BuildLike(const DenseColumn& column, const VectorCodes& model,
                                                                      int threads = 1);
  // Codes of a column whose first vectors are those of `first`, which are kept; the others by their axes. Null where, on a
  // sample of the others, those do not keep the nearest first. RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<std::shared_ptr<const VectorCodes>> Extend(const DenseColumn& column, const VectorCodes& first,
                                                                   int threads);
  // Codes of no vectors, for records that are written one by one: of all values, with mean and step from these vectors. Null where
  // not nearly all of the 10 nearest of them are among the 40 first by such codes. RESOURCE_EXHAUSTED: no memory.
  static absl::StatusOr<std::shared_ptr<const VectorCodes>> Fit(const DenseColumn& sample);
  // `bytes` start at a multiple of 64 and lie in `owner`. DATA_LOSS where they are not codes of `nodes` vectors of `dim`
  // values, or break invariant 2.
  static absl::StatusOr<std::shared_ptr<const VectorCodes>> Parse(std::string_view bytes, uint32_t nodes, uint32_t dim,
                                                                  Metric metric, std::shared_ptr<const void> owner);

  uint32_t nodes() const { return nodes_; }
  uint32_t code_dim() const { return code_dim_; }
  size_t stride() const { return stride_; }
  float step() const { return step_; }
  bool projected() const { return projected_; }
  // From so many vectors mean, axes and step were found.
  uint32_t fitted_nodes() const { return fitted_nodes_; }
  std::string_view bytes() const { return bytes_; }
  CodeAxes axes() const { return axes_id_; }

  const uint8_t* code(uint32_t node) const { return records_ + size_t{node} * stride_; }
  float bias(uint32_t node) const {
    float bias;
    std::memcpy(&bias, code(node) + stride_ - sizeof(float), sizeof(float));
    return bias;
  }
  void Prefetch(uint32_t node) const {
    const uint8_t* at = code(node);
    for (size_t line = 0; line < stride_ && line < kPrefetchBytes; line += 64) __builtin_prefetch(at + line);
  }

  // `query`: dim floats.
  void Encode(const float* query, CodeQuery& out) const;
  // The vector's record, of stride() bytes. `vector`: dim floats.
  void EncodeRecord(const float* vector, std::vector<float>& scratch, uint8_t* record) const;
  // The node's own code as a query: keys of it are what the graph is built by.
  void EncodeNode(uint32_t node, CodeQuery& out) const { EncodeCode(code(node), out); }
  // Likewise a record that is as the codes are.
  void EncodeCode(const uint8_t* record, CodeQuery& out) const;

  float Key(const CodeQuery& query, uint32_t node) const {
    float key;
    Keys(query, {&node, 1}, &key);
    return key;
  }
  // out[i] is the key of the i-th of records that lie as the codes do, and may be others.
  void KeysOf(const uint8_t* records, const CodeQuery& query, std::span<float> out) const;
  // out[i] is the key of nodes[i].
  void Keys(const CodeQuery& query, std::span<const uint32_t> nodes, float* out) const {
    keys_({.records = records_,
           .stride = stride_,
           .query = query.values.data(),
           .scale = query.scale,
           .shift = query.shift},
          nodes.data(), nodes.size(), out);
  }

 private:
  friend class CodeBuilder;
  static constexpr size_t kPrefetchBytes = 512;  // the processor follows the rest by itself

  VectorCodes() = default;
  uint32_t nodes_ = 0;
  uint32_t dim_ = 0;
  uint32_t code_dim_ = 0;
  size_t stride_ = 0;
  float step_ = 0;
  float product_factor_ = 0;  // 2, or 1 for inner product
  bool projected_ = false;
  uint32_t fitted_nodes_ = 0;
  std::span<const float> mean_;
  std::span<const float> axes_;
  const uint8_t* records_ = nullptr;
  CodeKernels::Keys keys_ = BestCodeKernels().keys;
  std::string_view bytes_;
  CodeAxes axes_id_;
  std::shared_ptr<const void> owner_;
};

}  // namespace vouch
