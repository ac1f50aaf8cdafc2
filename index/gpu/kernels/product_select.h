#pragma once

#include "index/gpu/kernels/link_order.h"
#include "index/gpu/kernels/top_keys.h"

namespace vouch::gpu {

// The k rows of a slice that are nearest by inner products which matrix units made: approximate, since they add in an order and
// with roundings of their own. Grid: blocks over the slice, and a query each.
struct ProductSelectArgs {
  const float* products = nullptr;  // [query][rows]
  const float* lengths = nullptr;   // |y|² by row; null: inner product
  const uint32_t* list = nullptr;   // the node of each row; null: one after the other
  uint32_t first_node = 0;          // then
  uint32_t rows = 0;
  const uint64_t* words = nullptr;  // bitmaps of nodes to look at; null: all
  const uint64_t* word_start = nullptr;  // by query: where its bitmap begins
  const uint64_t* best = nullptr;   // [query][best_stride], ascending: from the k-th on nothing is wanted; null: none yet
  uint64_t best_stride = 0;
  const uint32_t* own = nullptr;    // by query: its node. Its hits are those before it (LinkOrder), by LinkName; null: all
  uint32_t k = 0;
  uint64_t* out = nullptr;          // [query][out_stride], of which block b writes k from out_offset + b * k on
  uint64_t out_stride = 0;
  uint64_t out_offset = 0;
};
struct ProductSelectShared {
  uint64_t limit;
  uint32_t waiting;
};

template <typename Block>
VOUCH_KERNEL void ProductSelectBlock(Block& block, const ProductSelectArgs& args, ProductSelectShared& shared,
                                     uint64_t* slots) {
  const uint32_t query = block.query();
  const TopKeys top{slots, &shared.waiting, &shared.limit, args.k, SlotsFor(args.k)};
  BeginTop(block, top, args.best == nullptr ? kNoKey : args.best[query * args.best_stride + args.k - 1]);
  const float* const products = args.products + uint64_t{query} * args.rows;
  for (uint64_t begin = uint64_t{block.index()} * kThreads; begin < args.rows; begin += uint64_t{block.count()} * kThreads) {
    block.Each([&](uint32_t thread, auto&) {
      const uint64_t row = begin + thread;
      if (row >= args.rows) return;
      const uint32_t node = args.list == nullptr ? static_cast<uint32_t>(args.first_node + row) : args.list[row];
      if (args.own != nullptr && LinkOrder(node) >= LinkOrder(args.own[query])) return;
      if (args.words != nullptr && ((args.words[args.word_start[query] + node / 64] >> (node % 64)) & 1) == 0) return;
      const float product = products[row];
      const float distance = args.lengths == nullptr ? -product : Subtract(args.lengths[row], Multiply(2.0f, product));
      Offer(block, top, OrderKey(distance, args.own == nullptr ? node : LinkName(args.own[query], node)));
    });
    MakeRoom(block, top);
  }
  WriteTop(block, top, args.out + query * args.out_stride + args.out_offset + uint64_t{block.index()} * args.k);
}

}  // namespace vouch::gpu
