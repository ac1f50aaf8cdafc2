#pragma once

#include "index/gpu/kernels/block.h"

namespace vouch::gpu {

// How rows of each kind are compared with a query, a chunk of their bytes after the other. A form has
//   kQueryBytes      of the query for each unit of a row
//   Sums             what a thread keeps of one row and one query
//   Add              takes in `units` units of the row and what belongs to them of the query
//   Distance         of the whole row; `query` is its number

struct QueryScales {
  const float* scale = nullptr;  // of codes, by query
  const int32_t* shift = nullptr;
};

// Float vectors, in the engine's one order: value i goes to sum i mod 16 (index/dense/kernels.h). Padding is zeros on both sides,
// which change no sum.
struct LaneSums {
  static constexpr uint32_t kLanes = 16;
  float lane[kLanes];

  VOUCH_KERNEL void Clear() {
    VOUCH_UNROLL for (uint32_t j = 0; j < kLanes; ++j) lane[j] = 0.0f;
  }
  VOUCH_KERNEL float Reduce() const {
    float sum[kLanes];
    VOUCH_UNROLL for (uint32_t j = 0; j < kLanes; ++j) sum[j] = lane[j];
    VOUCH_UNROLL for (uint32_t width = kLanes / 2; width > 0; width /= 2) {
      VOUCH_UNROLL for (uint32_t j = 0; j < kLanes / 2; ++j) {
        if (j < width) sum[j] = gpu::Add(sum[j], sum[j + width]);
      }
    }
    return sum[0];
  }
};

VOUCH_KERNEL void DecodeSixteen(const Unit* row, float (&out)[16], float) {
  VOUCH_UNROLL for (uint32_t i = 0; i < 16; ++i) out[i] = FloatOfBits(row[i / 4].word[i % 4]);
}
struct Half {};
VOUCH_KERNEL void DecodeSixteen(const Unit* row, float (&out)[16], Half) {
  VOUCH_UNROLL for (uint32_t i = 0; i < 16; ++i) {
    out[i] = FloatOfHalfBits((row[i / 8].word[i / 2 % 4] >> (16 * (i % 2))) & 0xFFFFu);
  }
}
VOUCH_KERNEL void DecodeSixteen(const Unit* row, float (&out)[16], int8_t) {
  VOUCH_UNROLL for (uint32_t i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(static_cast<int8_t>(row->word[i / 4] >> (8 * (i % 4))));
  }
}

// Value: float, Half or int8_t; kValueBytes of it.
template <typename Value, uint32_t kValueBytes, bool kL2>
struct VectorForm {
  static constexpr uint32_t kQueryBytes = kUnitBytes / kValueBytes * 4;
  static constexpr uint32_t kUnitsOfSixteen = kValueBytes;  // 16 values are so many units
  using Sums = LaneSums;

  VOUCH_KERNEL static void Add(const Unit* row, uint32_t units, const Unit* query, LaneSums& sums) {
    for (uint32_t unit = 0; unit < units; unit += kUnitsOfSixteen, query += 4) {
      float values[16];
      DecodeSixteen(row + unit, values, Value());
      VOUCH_UNROLL for (uint32_t j = 0; j < 16; ++j) {
        const float asked = FloatOfBits(query[j / 4].word[j % 4]);
        if constexpr (kL2) {
          const float difference = Subtract(asked, values[j]);
          sums.lane[j] = gpu::Add(sums.lane[j], Multiply(difference, difference));
        } else {
          sums.lane[j] = gpu::Add(sums.lane[j], Multiply(asked, values[j]));
        }
      }
    }
  }
  VOUCH_KERNEL static float Distance(const LaneSums& sums, const QueryScales&, uint32_t) {
    return kL2 ? sums.Reduce() : -sums.Reduce();
  }
};
template <bool kL2>
using F32Form = VectorForm<float, 4, kL2>;
template <bool kL2>
using F16Form = VectorForm<Half, 2, kL2>;
template <bool kL2>
using I8Form = VectorForm<int8_t, 1, kL2>;

// Bit vectors: how many bits differ.
struct BitForm {
  static constexpr uint32_t kQueryBytes = kUnitBytes;
  struct Sums {
    uint32_t bits;
    VOUCH_KERNEL void Clear() { bits = 0; }
  };
  VOUCH_KERNEL static void Add(const Unit* row, uint32_t units, const Unit* query, Sums& sums) {
    for (uint32_t unit = 0; unit < units; ++unit) {
      VOUCH_UNROLL for (uint32_t i = 0; i < 4; ++i) sums.bits += CountBits(row[unit].word[i] ^ query[unit].word[i]);
    }
  }
  VOUCH_KERNEL static float Distance(const Sums& sums, const QueryScales&, uint32_t) {
    return static_cast<float>(sums.bits);
  }
};

// Records of codes (index/dense/code_kernels.h): the key of a row, bit by bit.
struct CodeForm {
  static constexpr uint32_t kQueryBytes = kUnitBytes;
  struct Sums {
    int32_t product;
    float bias;
    VOUCH_KERNEL void Clear() { product = 0; }
  };
  VOUCH_KERNEL static void Add(const Unit* row, uint32_t units, const Unit* query, Sums& sums) {
    for (uint32_t unit = 0; unit < units; ++unit) {
      VOUCH_UNROLL for (uint32_t i = 0; i < 4; ++i) {
        sums.product = AddProducts(row[unit].word[i], query[unit].word[i], sums.product);
      }
    }
    sums.bias = FloatOfBits(row[units - 1].word[3]);  // of the last chunk in the end
  }
  VOUCH_KERNEL static float Distance(const Sums& sums, const QueryScales& scales, uint32_t query) {
    const float product = static_cast<float>(sums.product - scales.shift[query]);
    return Subtract(sums.bias, Multiply(scales.scale[query], product));
  }
};

}  // namespace vouch::gpu
