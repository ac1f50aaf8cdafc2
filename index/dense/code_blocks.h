#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "index/aligned_buffer.h"
#include "index/dense/vector_codes.h"

namespace vouch {

// Records of codes turned in blocks of 16: a block holds the first four values of each of its codes, then the next four
// of each, and so on, and the biases stand apart. So one instruction takes 16 codes four values further, and nothing has
// to be added up across a register. For records that are always compared all at once, as the means of cells are.
//
// Immutable, thread safe.
//
// Invariant: keys are the same bits as those of VectorCodes::KeysOf, on every processor.
class CodeBlocks {
 public:
  static constexpr size_t kBlock = 16;

  CodeBlocks() = default;
  // `count` records that lie as those of `codes`; they are copied, if there is memory for that.
  CodeBlocks(const VectorCodes& codes, const uint8_t* records, uint32_t count);

  bool has_memory() const { return codes_.size() == 0 || codes_.data() != nullptr; }
  // The key of each record; they lie in `scratch`.
  std::span<const float> Keys(const CodeQuery& query, std::vector<float>& scratch) const;
  size_t memory_bytes() const { return codes_.size() + biases_.size() * sizeof(float); }

 private:
  friend struct CodeBlocksTest;
  // out[i] is the key of the i-th code of `blocks` blocks of `quads` times four values.
  struct Comparison {
    const uint8_t* codes = nullptr;
    const float* biases = nullptr;
    size_t blocks = 0;
    size_t quads = 0;
    const int8_t* query = nullptr;
    float scale = 0;
    int32_t shift = 0;
    float* out = nullptr;
  };
  struct Kernel {
    std::string_view name;
    void (*keys)(const Comparison&) = nullptr;
  };
  struct Kernels;
  // All that this processor runs; the first is the scalar one, the last the fastest.
  static std::span<const Kernel> AvailableKernels();
  std::span<const float> KeysBy(const Kernel& kernel, const CodeQuery& query, std::vector<float>& scratch) const;

  uint32_t count_ = 0;
  size_t quads_ = 0;
  AlignedBuffer codes_;
  std::vector<float> biases_;
};

}  // namespace vouch
