#pragma once

#include "index/gpu/kernels/row_forms.h"
#include "index/gpu/kernels/top_keys.h"

namespace vouch::gpu {

inline constexpr uint32_t kTileRows = kThreads;   // a thread compares one row
inline constexpr uint32_t kChunkUnits = 8;        // of each row at a time: 128 bytes, a line of the device's cache
inline constexpr uint32_t kTileStride = kChunkUnits + 1;  // units; odd, so that eight threads meet all banks
inline constexpr uint32_t kMaxSpan = 16 * kThreads;       // nodes that a block picks from at a time

// Compares rows with queries and keeps each query's k nearest: brute force over all rows, over those of a bitmap, or over a list.
// Grid: as many blocks as the device takes; second coordinate: the first of a block's queries.
struct RowScanArgs {
  const Unit* rows = nullptr;        // [nodes][row_units]
  uint32_t row_units = 0;
  uint32_t nodes = 0;
  const Unit* queries = nullptr;     // [query][query_units], as the form takes it
  uint32_t query_units = 0;
  uint32_t query_count = 0;
  QueryScales scales = {};
  const uint64_t* words = nullptr;   // bitmaps of nodes to look at; null: all, or a list
  const uint64_t* word_start = nullptr;  // by query: where its bitmap begins; several may share one
  const uint32_t* list = nullptr;    // lists of nodes; null: no list
  const uint64_t* list_start = nullptr;  // by query, likewise
  const uint64_t* list_end = nullptr;
  uint32_t span = kMaxSpan;          // a multiple of kThreads up to kMaxSpan
  uint32_t k = 0;
  uint64_t* out = nullptr;           // [query][block][k]
};

template <typename Form, uint32_t kQueries>
struct RowScanShared {
  Unit tile[kTileRows * kTileStride];
  Unit query[kQueries][kChunkUnits * Form::kQueryBytes / kUnitBytes];
  uint64_t limit[kQueries];
  uint32_t waiting[kQueries];
  uint32_t picked;
  uint32_t node[kMaxSpan];
};
template <typename Form, uint32_t kQueries>
struct RowScanRegisters {
  typename Form::Sums sums[kQueries];
};

// The nodes of [begin, end) to be looked at (places of a list where there is one) to shared.node.
template <typename Block, typename Shared>
VOUCH_KERNEL void PickNodes(Block& block, const RowScanArgs& args, uint64_t begin, uint64_t end, Shared& shared) {
  block.Each([&](uint32_t thread, auto&) {
    if (thread == 0) shared.picked = args.words == nullptr ? static_cast<uint32_t>(end - begin) : 0;
  });
  block.Each([&](uint32_t thread, auto&) {
    if (args.words == nullptr) {
      for (uint64_t i = begin + thread; i < end; i += kThreads) {
        shared.node[i - begin] = args.list == nullptr ? static_cast<uint32_t>(i) : args.list[i];
      }
      return;
    }
    // Each thread looks at as many neighbouring bits, which lie in one word.
    const uint32_t width = args.span / kThreads;
    const uint64_t first = begin + uint64_t{thread} * width;
    if (first >= end) return;
    const uint64_t word = args.words[args.word_start[block.query()] + first / 64];
    uint32_t bits = static_cast<uint32_t>(word >> (first % 64)) & ((1u << width) - 1);
    if (end - first < width) bits &= (1u << (end - first)) - 1;
    if (bits == 0) return;
    uint32_t place = block.AddTo(&shared.picked, CountBits(bits));
    for (uint32_t i = 0; i < width; ++i) {
      if (((bits >> i) & 1u) != 0) shared.node[place++] = static_cast<uint32_t>(first + i);
    }
  });
}

// A chunk of a tile's rows and of the queries, by all threads: neighbours load neighbouring units.
template <typename Form, uint32_t kQueries, typename Shared>
VOUCH_KERNEL void LoadChunk(uint32_t thread, const RowScanArgs& args, uint32_t first_query, uint32_t tile, uint32_t rows,
                            uint32_t chunk, uint32_t units, Shared& shared) {
  const Unit* const from = args.rows + chunk * kChunkUnits;
  if (rows == kTileRows && units == kChunkUnits) {
    // All loads are on their way before the first is waited for.
    Unit loaded[kChunkUnits];
    VOUCH_UNROLL for (uint32_t j = 0; j < kChunkUnits; ++j) {
      const uint32_t i = j * kThreads + thread;
      loaded[j] = from[uint64_t{shared.node[tile + i / kChunkUnits]} * args.row_units + i % kChunkUnits];
    }
    VOUCH_UNROLL for (uint32_t j = 0; j < kChunkUnits; ++j) {
      const uint32_t i = j * kThreads + thread;
      shared.tile[i / kChunkUnits * kTileStride + i % kChunkUnits] = loaded[j];
    }
  } else {
    for (uint32_t i = thread; i < rows * units; i += kThreads) {
      const uint32_t row = i / units;
      shared.tile[row * kTileStride + i % units] = from[uint64_t{shared.node[tile + row]} * args.row_units + i % units];
    }
  }
  constexpr uint32_t kOfUnit = Form::kQueryBytes / kUnitBytes;
  VOUCH_UNROLL for (uint32_t q = 0; q < kQueries; ++q) {
    if (first_query + q >= args.query_count) continue;
    const Unit* const query = args.queries + uint64_t{first_query + q} * args.query_units + chunk * kChunkUnits * kOfUnit;
    for (uint32_t i = thread; i < units * kOfUnit; i += kThreads) shared.query[q][i] = query[i];
  }
}

template <typename Form, uint32_t kQueries, typename Block>
VOUCH_KERNEL void RowScanBlock(Block& block, const RowScanArgs& args, RowScanShared<Form, kQueries>& shared,
                               uint64_t* slots) {
  const uint32_t first_query = block.query();
  const uint32_t size = SlotsFor(args.k);
  TopKeys tops[kQueries];
  VOUCH_UNROLL for (uint32_t q = 0; q < kQueries; ++q) {
    tops[q] = TopKeys{slots + uint64_t{q} * size, &shared.waiting[q], &shared.limit[q], args.k, size};
    BeginTop(block, tops[q], kNoKey);
  }
  const uint64_t first = args.list == nullptr ? 0 : args.list_start[first_query];
  const uint64_t last = args.list == nullptr ? args.nodes : args.list_end[first_query];
  for (uint64_t begin = first + uint64_t{block.index()} * args.span; begin < last;
       begin += uint64_t{block.count()} * args.span) {
    PickNodes(block, args, begin, last - begin < args.span ? last : begin + args.span, shared);
    const uint32_t picked = block.Read(shared.picked);
    for (uint32_t tile = 0; tile < picked; tile += kTileRows) {
      const uint32_t rows = Least(kTileRows, picked - tile);
      const uint32_t chunks = (args.row_units + kChunkUnits - 1) / kChunkUnits;
      for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
        const uint32_t units = Least(kChunkUnits, args.row_units - chunk * kChunkUnits);
        block.Each([&](uint32_t thread, auto&) {
          LoadChunk<Form, kQueries>(thread, args, first_query, tile, rows, chunk, units, shared);
        });
        block.Each([&](uint32_t thread, auto& registers) {
          VOUCH_UNROLL for (uint32_t q = 0; q < kQueries; ++q) {
            if (chunk == 0) registers.sums[q].Clear();
            if (thread < rows) {
              Form::Add(shared.tile + thread * kTileStride, units, shared.query[q], registers.sums[q]);
            }
          }
        });
      }
      block.Each([&](uint32_t thread, auto& registers) {
        if (thread >= rows) return;
        VOUCH_UNROLL for (uint32_t q = 0; q < kQueries; ++q) {
          if (first_query + q >= args.query_count) continue;
          const float distance = Form::Distance(registers.sums[q], args.scales, first_query + q);
          Offer(block, tops[q], OrderKey(distance, shared.node[tile + thread]));
        }
      });
      VOUCH_UNROLL for (uint32_t q = 0; q < kQueries; ++q) MakeRoom(block, tops[q]);
    }
  }
  VOUCH_UNROLL for (uint32_t q = 0; q < kQueries; ++q) {
    if (first_query + q >= args.query_count) continue;
    WriteTop(block, tops[q], args.out + (uint64_t{first_query + q} * block.count() + block.index()) * args.k);
  }
}

}  // namespace vouch::gpu
