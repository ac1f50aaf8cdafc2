#pragma once

#include "index/gpu/kernels/block.h"

namespace vouch::gpu {

// Of each row and group which of the group's 16 entries is nearest by squared distance, the first of equal ones: as the processor finds
// them (index/dense/build_help.h), bit by bit. Grid: blocks over the rows; second coordinate: the group.
struct NearestEntryArgs {
  const float* rows = nullptr;   // [row][groups][size]
  uint32_t count = 0;
  uint32_t groups = 0;
  uint32_t size = 0;
  const float* books = nullptr;  // [group][16][size]
  uint8_t* out = nullptr;        // [row][groups]
};

template <typename Block>
VOUCH_KERNEL void NearestEntryBlock(Block& block, const NearestEntryArgs& args) {
  const uint32_t group = block.query();
  const uint64_t step = uint64_t{block.count()} * kThreads;
  block.Each([&](uint32_t thread, auto&) {
    for (uint64_t row = uint64_t{block.index()} * kThreads + thread; row < args.count; row += step) {
      const float* const values = args.rows + (row * args.groups + group) * args.size;
      const float* entry = args.books + uint64_t{group} * 16 * args.size;
      float least = 0;
      uint32_t nearest = 0;
      for (uint32_t i = 0; i < 16; ++i, entry += args.size) {
        float sum = 0;
        for (uint32_t d = 0; d < args.size; ++d) {
          const float difference = Subtract(values[d], entry[d]);
          sum = Add(sum, Multiply(difference, difference));
        }
        if (i > 0 && !(sum < least)) continue;
        least = sum;
        nearest = i;
      }
      args.out[row * args.groups + group] = static_cast<uint8_t>(nearest);
    }
  });
}

}  // namespace vouch::gpu
