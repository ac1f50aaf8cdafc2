#pragma once

#include "index/gpu/kernels/block.h"

namespace vouch::gpu {

// A drawn order of nodes, in which links are chosen: each number once (the last steps of MurmurHash3, by Austin Appleby).
VOUCH_KERNEL uint32_t LinkOrder(uint32_t node) {
  node = (node ^ (node >> 16)) * 0x85EBCA6Bu;
  node = (node ^ (node >> 13)) * 0xC2B2AE35u;
  return node ^ (node >> 16);
}

// What a node calls another one in its keys, and back: so that of equally near ones, as copies of one vector are, each node takes others.
VOUCH_KERNEL uint32_t LinkName(uint32_t own, uint32_t other) { return other ^ LinkOrder(own ^ 0x9E3779B9u); }

}  // namespace vouch::gpu
