#pragma once

#include "index/gpu/kernels/top_keys.h"

namespace vouch::gpu {

// 32 nodes of a cell, or as many as are left of it, as product codes keep them (index/dense/ivf.h).
struct CellPart {
  uint32_t block = 0;    // of codes
  uint32_t place = 0;    // of the first node
  uint32_t count = 0;    // 1 to 32
  float product = 0;     // of the query and the cell's mean, with what the table leaves out
};

inline constexpr uint32_t kPartNodes = 32;
inline constexpr uint32_t kMaxGroups = 256;

// The k nodes of least key by product codes among the parts that each query names: the keys of Ivf::Keys, bit by bit.
struct CellScanArgs {
  const uint8_t* codes = nullptr;    // [block][group][16]
  const uint32_t* node = nullptr;    // by place
  const float* bias = nullptr;       // by place
  uint32_t groups = 0;
  const CellPart* parts = nullptr;   // one query's after the other's
  const uint64_t* part_start = nullptr;  // [query + 1]
  const uint8_t* tables = nullptr;   // [query][groups][16]
  const float* steps = nullptr;      // by query
  float factor = 0;
  const uint64_t* words = nullptr;  // bitmaps of nodes to look at; null: all
  const uint64_t* word_start = nullptr;  // by query: where its bitmap begins
  uint32_t k = 0;
  uint64_t* out = nullptr;           // [query][block][k]
};
struct CellScanShared {
  uint64_t limit;
  uint32_t waiting;
  uint8_t table[kMaxGroups * 16];
};

template <typename Block>
VOUCH_KERNEL void CellScanBlock(Block& block, const CellScanArgs& args, CellScanShared& shared, uint64_t* slots) {
  constexpr uint32_t kPartsAtOnce = kThreads / kPartNodes;
  const uint32_t query = block.query();
  const TopKeys top{slots, &shared.waiting, &shared.limit, args.k, SlotsFor(args.k)};
  BeginTop(block, top, kNoKey);
  block.Each([&](uint32_t thread, auto&) {
    const uint8_t* const table = args.tables + uint64_t{query} * args.groups * 16;
    for (uint32_t i = thread; i < args.groups * 16; i += kThreads) shared.table[i] = table[i];
  });
  const uint64_t last = args.part_start[query + 1];
  for (uint64_t begin = args.part_start[query] + uint64_t{block.index()} * kPartsAtOnce; begin < last;
       begin += uint64_t{block.count()} * kPartsAtOnce) {
    block.Each([&](uint32_t thread, auto&) {
      const uint64_t at = begin + thread / kPartNodes;
      const uint32_t of_part = thread % kPartNodes;
      if (at >= last) return;
      const CellPart part = args.parts[at];
      if (of_part >= part.count) return;
      const uint32_t node = args.node[part.place + of_part];
      if (args.words != nullptr && ((args.words[args.word_start[query] + node / 64] >> (node % 64)) & 1) == 0) return;
      const uint8_t* code = args.codes + uint64_t{part.block} * args.groups * 16 + of_part % 16;
      const uint32_t shift = of_part < 16 ? 0 : 4;
      uint32_t sum = 0;
      for (uint32_t group = 0; group < args.groups; ++group, code += 16) {
        sum += shared.table[group * 16 + ((*code >> shift) & 15u)];
      }
      const float approximate = Add(part.product, Multiply(args.steps[query], static_cast<float>(sum)));
      const float key = Subtract(args.bias[part.place + of_part], Multiply(args.factor, approximate));
      Offer(block, top, OrderKey(key, node));
    });
    MakeRoom(block, top);
  }
  WriteTop(block, top, args.out + (uint64_t{query} * block.count() + block.index()) * args.k);
}

}  // namespace vouch::gpu
