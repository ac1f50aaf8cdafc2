#pragma once

#include "index/gpu/kernels/block.h"

namespace vouch::gpu {

// A distance and a node as one number that orders as (distance, node) does: what is least is the best hit, and ties fall by
// node, which is row order. NaN, which only overflow makes, orders as +infinity, and -0 as 0.
inline constexpr uint64_t kNoKey = ~uint64_t{0};  // above every key: a node is below 2^31

VOUCH_KERNEL uint32_t OrderedBits(float distance) {
  if (distance != distance) return 0xFF800000u;  // +infinity
  const uint32_t bits = BitsOfFloat(Add(distance, 0.0f));
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}
VOUCH_KERNEL uint64_t OrderKey(float distance, uint32_t node) {
  return (uint64_t{OrderedBits(distance)} << 32) | node;
}
VOUCH_KERNEL uint32_t NodeOfKey(uint64_t key) { return static_cast<uint32_t>(key); }
VOUCH_KERNEL float DistanceOfKey(uint64_t key) {
  const uint32_t bits = static_cast<uint32_t>(key >> 32);
  return FloatOfBits((bits & 0x80000000u) != 0 ? bits & 0x7FFFFFFFu : ~bits);
}

}  // namespace vouch::gpu
