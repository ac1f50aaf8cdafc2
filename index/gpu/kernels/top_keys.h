#pragma once

#include "index/gpu/kernels/order_key.h"

namespace vouch::gpu {

inline constexpr uint32_t kMaxTop = 1024;  // keys that a block can keep

// Places for k keys and what comes in between two merges, a power of two. With room for no more than each thread's key, nearly each
// round would end with a merge.
VOUCH_KERNEL uint32_t SlotsFor(uint32_t k) {
  uint32_t slots = 2 * kThreads;
  while (slots < k + kThreads + kThreads / 2) slots *= 2;
  return slots;
}
constexpr uint32_t SlotsForMost() { return 2 * kMaxTop; }

// The k least of the keys that a block's threads offer, in shared memory. The first k slots hold those found so far,
// ascending; behind them stand those offered since, in any order: which ones are kept does not depend on it.
struct TopKeys {
  uint64_t* slots = nullptr;    // SlotsFor(k)
  uint32_t* waiting = nullptr;  // how many stand behind the first k
  uint64_t* limit = nullptr;    // from here on no key is wanted
  uint32_t k = 0;
  uint32_t size = 0;
};

// `limit`: keys from there on are not wanted from the beginning.
template <typename Block>
VOUCH_KERNEL void BeginTop(Block& block, const TopKeys& top, uint64_t limit) {
  block.Each([&](uint32_t thread, auto&) {
    for (uint32_t i = thread; i < top.size; i += kThreads) top.slots[i] = kNoKey;
    if (thread == 0) {
      *top.waiting = 0;
      *top.limit = limit;
    }
  });
}

// In a phase; at most one key a thread between two calls of MakeRoom.
template <typename Block>
VOUCH_KERNEL void Offer(Block& block, const TopKeys& top, uint64_t key) {
  if (key >= *top.limit) return;
  top.slots[top.k + block.AddTo(top.waiting, 1)] = key;
}

// Sorts all slots (Batcher's bitonic network) and keeps the first k.
template <typename Block>
VOUCH_KERNEL void MergeTop(Block& block, const TopKeys& top) {
  const uint32_t used = top.k + block.Read(*top.waiting);
  block.Each([&](uint32_t thread, auto&) {
    for (uint32_t i = used + thread; i < top.size; i += kThreads) top.slots[i] = kNoKey;
  });
  for (uint32_t width = 2; width <= top.size; width *= 2) {
    for (uint32_t step = width / 2; step > 0; step /= 2) {
      block.Each([&](uint32_t thread, auto&) {
        for (uint32_t i = thread; i < top.size / 2; i += kThreads) {
          const uint32_t low = 2 * i - (i & (step - 1));
          const uint64_t a = top.slots[low];
          const uint64_t b = top.slots[low + step];
          const bool ascending = (low & width) == 0;
          if ((a > b) != ascending) continue;
          top.slots[low] = b;
          top.slots[low + step] = a;
        }
      });
    }
  }
  block.Each([&](uint32_t thread, auto&) {
    if (thread != 0) return;
    *top.waiting = 0;
    const uint64_t last = top.slots[top.k - 1];
    if (last < *top.limit) *top.limit = last;
  });
}

// So that every thread may offer once more.
template <typename Block>
VOUCH_KERNEL void MakeRoom(Block& block, const TopKeys& top) {
  if (block.Read(*top.waiting) + kThreads > top.size - top.k) MergeTop(block, top);
}

template <typename Block>
VOUCH_KERNEL void WriteTop(Block& block, const TopKeys& top, uint64_t* out) {
  MergeTop(block, top);
  block.Each([&](uint32_t thread, auto&) {
    for (uint32_t i = thread; i < top.k; i += kThreads) out[i] = top.slots[i];
  });
}

// The k least of each query's keys, one block a query.
struct MergeKeysArgs {
  const uint64_t* keys = nullptr;  // [query][count]
  uint64_t* out = nullptr;         // [query][k], ascending; kNoKey where there are no more. May lie in `keys`' row of it
  uint64_t count = 0;
  uint64_t stride = 0;             // of a query's keys
  uint64_t out_stride = 0;
  uint32_t k = 0;
};
struct MergeKeysShared {
  uint64_t limit;
  uint32_t waiting;
};

template <typename Block>
VOUCH_KERNEL void MergeKeysBlock(Block& block, const MergeKeysArgs& args, MergeKeysShared& shared, uint64_t* slots) {
  const TopKeys top{slots, &shared.waiting, &shared.limit, args.k, SlotsFor(args.k)};
  const uint64_t* const keys = args.keys + block.query() * args.stride;
  BeginTop(block, top, kNoKey);
  for (uint64_t begin = 0; begin < args.count; begin += kThreads) {
    block.Each([&](uint32_t thread, auto&) {
      if (begin + thread < args.count) Offer(block, top, keys[begin + thread]);
    });
    MakeRoom(block, top);
  }
  WriteTop(block, top, args.out + block.query() * args.out_stride);
}

}  // namespace vouch::gpu
