#pragma once

#include "index/gpu/kernels/link_order.h"
#include "index/gpu/kernels/order_key.h"
#include "index/gpu/kernels/row_forms.h"

namespace vouch::gpu {

inline constexpr uint32_t kNoLink = 0xFFFFFFFFu;
inline constexpr uint32_t kLinkTile = 8;                       // a thread compares so many rows with as many
inline constexpr uint32_t kLinkTiles = 15;
inline constexpr uint32_t kLinkRows = kLinkTiles * kLinkTile;  // a node and its candidates
inline constexpr uint32_t kMostLinkCandidates = kLinkRows - 1;
inline constexpr uint32_t kMostLinks = 32;
inline constexpr uint32_t kLinkValues = 16;                    // of each row at a time
inline constexpr uint32_t kLinkWords = (kLinkRows + 31) / 32;
// Where a tile's values lie: eight threads that load four each of neighbouring tiles meet all banks.
inline constexpr uint32_t kLinkTileStride = kLinkTile + 4;
static_assert(kLinkTiles * (kLinkTiles + 1) / 2 <= kThreads, "each pair of tiles has its thread");
static_assert(kLinkRows <= kThreads && 32 % kLinkTile == 0, "and each row; a tile's bits lie in one word");

// Copies rows that a list names, one after the other.
struct GatherArgs {
  const Unit* rows = nullptr;        // [nodes][row_units]
  uint32_t row_units = 0;
  const float* lengths = nullptr;    // by node; null: none
  const uint32_t* list = nullptr;
  uint32_t count = 0;
  Unit* out = nullptr;               // [count][row_units]
  float* out_lengths = nullptr;
};

template <typename Block>
VOUCH_KERNEL void GatherBlock(Block& block, const GatherArgs& args) {
  const uint64_t units = uint64_t{args.count} * args.row_units;
  const uint64_t step = uint64_t{block.count()} * kThreads;
  block.Each([&](uint32_t thread, auto&) {
    for (uint64_t i = uint64_t{block.index()} * kThreads + thread; i < units; i += step) {
      const uint64_t at = i / args.row_units;
      args.out[i] = args.rows[uint64_t{args.list[at]} * args.row_units + i % args.row_units];
      if (args.lengths != nullptr && i % args.row_units == 0) args.out_lengths[at] = args.lengths[args.list[at]];
    }
  });
}

// Chooses a node's links among its candidates: nearest first, those that are nearer to the node than to every one linked before (Malkov
// and Yashunin 2018, algorithm 4), and no copies of these. Distances are sums from the first value to the last. A block a node.
struct LinkChoiceArgs {
  const Unit* rows = nullptr;        // [nodes][row_units]
  uint32_t row_units = 0;
  const uint32_t* own = nullptr;     // by query
  const uint64_t* nearest = nullptr; // [query][candidates], by LinkName; kNoKey where there are no more
  uint32_t candidates = 0;           // at most kMostLinkCandidates
  uint32_t links = 0;                // to be chosen, at most kMostLinks
  uint32_t* out = nullptr;           // [query][links]; kNoLink from the first free place on
};
struct LinkChoiceShared {
  alignas(16) float value[kLinkValues][kLinkTiles * kLinkTileStride];
  uint32_t node[kLinkRows];                // row 0: the node; kNoLink: no row
  float distance[kLinkRows];               // to the node
  float square[kLinkRows];                 // of products: of the row with itself, by which copies are told
  uint32_t order[kLinkRows];               // rows, nearest first
  uint32_t rows;                           // in `order`
  uint32_t nearer[kLinkRows][kLinkWords];  // a bit for each row that is nearer to this one than the node is, or its copy
};
struct LinkChoiceRegisters {
  uint32_t first;   // tile
  uint32_t second;  // no less
  float sums[kLinkTile][kLinkTile];
};

template <bool kL2>
VOUCH_KERNEL float LinkDistance(float sum) {
  return kL2 ? sum : -sum;
}

// Adds a chunk of the values of a thread's tiles.
template <bool kL2>
VOUCH_KERNEL void AddLinkChunk(const LinkChoiceShared& shared, LinkChoiceRegisters& registers) {
  for (uint32_t v = 0; v < kLinkValues; ++v) {
    float a[kLinkTile], b[kLinkTile];
    VOUCH_UNROLL for (uint32_t i = 0; i < kLinkTile; ++i) {
      a[i] = shared.value[v][registers.first * kLinkTileStride + i];
      b[i] = shared.value[v][registers.second * kLinkTileStride + i];
    }
    VOUCH_UNROLL for (uint32_t i = 0; i < kLinkTile; ++i) {
      VOUCH_UNROLL for (uint32_t j = 0; j < kLinkTile; ++j) {
        const float difference = Subtract(a[i], b[j]);
        const float term = kL2 ? Multiply(difference, difference) : Multiply(a[i], b[j]);
        registers.sums[i][j] = Add(registers.sums[i][j], term);
      }
    }
  }
}

// Notes of each row of a thread's tiles which rows of the other tile are nearer to it than the node is, or copies of it.
template <bool kL2, typename Block>
VOUCH_KERNEL void NoteNearer(Block& block, LinkChoiceShared& shared, const LinkChoiceRegisters& registers) {
  uint32_t of_second[kLinkTile] = {}, of_first[kLinkTile] = {};
  VOUCH_UNROLL for (uint32_t i = 0; i < kLinkTile; ++i) {
    VOUCH_UNROLL for (uint32_t j = 0; j < kLinkTile; ++j) {
      const uint32_t row = registers.first * kLinkTile + i;
      const uint32_t other = registers.second * kLinkTile + j;
      if (row == 0 || other == 0 || row == other) continue;
      const float distance = LinkDistance<kL2>(registers.sums[i][j]);
      const bool copies = kL2 ? distance == 0 : -distance == shared.square[row] && -distance == shared.square[other];
      if (copies || distance < shared.distance[other]) of_second[j] |= 1u << i;
      if (copies || distance < shared.distance[row]) of_first[i] |= 1u << j;
    }
  }
  const auto note = [&](uint32_t row, uint32_t tile, uint32_t bits) {
    if (bits != 0) block.AddTo(&shared.nearer[row][tile * kLinkTile / 32], bits << (tile * kLinkTile % 32));
  };
  VOUCH_UNROLL for (uint32_t i = 0; i < kLinkTile; ++i) {
    note(registers.second * kLinkTile + i, registers.first, of_second[i]);
    if (registers.first != registers.second) note(registers.first * kLinkTile + i, registers.second, of_first[i]);
  }
}

// Value: float or Half.
template <typename Value, bool kL2, typename Block>
VOUCH_KERNEL void LinkChoiceBlock(Block& block, const LinkChoiceArgs& args, LinkChoiceShared& shared) {
  constexpr uint32_t kPairs = kLinkTiles * (kLinkTiles + 1) / 2;
  constexpr uint32_t kUnits = VectorForm<Value, sizeof(Value) == sizeof(float) ? 4 : 2, kL2>::kUnitsOfSixteen;
  const uint32_t query = block.query();
  block.Each([&](uint32_t thread, auto& registers) {
    if (thread == 0) shared.rows = 0;
    if (thread < kLinkRows) {
      shared.node[thread] = kNoLink;
      if (thread == 0) shared.node[0] = args.own[query];
      if (thread > 0 && thread <= args.candidates) {
        const uint64_t key = args.nearest[uint64_t{query} * args.candidates + thread - 1];
        if (key != kNoKey) shared.node[thread] = LinkName(args.own[query], NodeOfKey(key));
      }
      for (uint32_t word = 0; word < kLinkWords; ++word) shared.nearer[thread][word] = 0;
    }
    registers.first = 0;
    registers.second = thread;
    while (registers.first + 1 < kLinkTiles && registers.second >= kLinkTiles) {
      registers.second -= kLinkTiles - 1 - registers.first;
      ++registers.first;
    }
    VOUCH_UNROLL for (uint32_t i = 0; i < kLinkTile; ++i) {
      VOUCH_UNROLL for (uint32_t j = 0; j < kLinkTile; ++j) registers.sums[i][j] = 0.0f;
    }
  });
  for (uint32_t unit = 0; unit < args.row_units; unit += kUnits) {
    block.Each([&](uint32_t thread, auto&) {
      if (thread >= kLinkRows) return;
      float values[kLinkValues] = {};
      if (shared.node[thread] != kNoLink) {
        DecodeSixteen(args.rows + uint64_t{shared.node[thread]} * args.row_units + unit, values, Value());
      }
      const uint32_t at = thread / kLinkTile * kLinkTileStride + thread % kLinkTile;
      VOUCH_UNROLL for (uint32_t v = 0; v < kLinkValues; ++v) shared.value[v][at] = values[v];
    });
    block.Each([&](uint32_t thread, auto& registers) {
      if (thread < kPairs) AddLinkChunk<kL2>(shared, registers);
    });
  }
  block.Each([&](uint32_t thread, auto& registers) {
    if (thread >= kPairs) return;
    VOUCH_UNROLL for (uint32_t j = 0; j < kLinkTile; ++j) {
      const uint32_t row = registers.second * kLinkTile + j;
      if (registers.first == 0) shared.distance[row] = LinkDistance<kL2>(registers.sums[0][j]);
      if (registers.first == registers.second) shared.square[row] = registers.sums[j][j];
    }
  });
  block.Each([&](uint32_t thread, auto& registers) {
    if (thread < kPairs) NoteNearer<kL2>(block, shared, registers);
    if (thread == 0 || thread >= kLinkRows || shared.node[thread] == kNoLink) return;
    const uint64_t key = OrderKey(shared.distance[thread], thread);
    uint32_t rank = 0;
    for (uint32_t row = 1; row < kLinkRows; ++row) {
      if (shared.node[row] != kNoLink && OrderKey(shared.distance[row], row) < key) ++rank;
    }
    shared.order[rank] = thread;
    block.AddTo(&shared.rows, 1);
  });
  block.Each([&](uint32_t thread, auto&) {
    if (thread != 0) return;
    uint32_t* const out = args.out + uint64_t{query} * args.links;
    uint32_t linked[kLinkWords] = {};
    uint32_t count = 0;
    for (uint32_t i = 0; i < shared.rows && count < args.links; ++i) {
      const uint32_t row = shared.order[i];
      uint32_t nearer = 0;
      VOUCH_UNROLL for (uint32_t word = 0; word < kLinkWords; ++word) nearer |= linked[word] & shared.nearer[row][word];
      if (nearer != 0) continue;
      linked[row / 32] |= 1u << (row % 32);
      out[count++] = shared.node[row];
    }
    for (; count < args.links; ++count) out[count] = kNoLink;
  });
}

}  // namespace vouch::gpu
