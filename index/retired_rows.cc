#include "index/retired_rows.h"

#include <algorithm>
#include <bit>

namespace vouch {

RetiredRows::Chunk::Chunk() {
  for (std::atomic<uint64_t>& value : version) value.store(kNeverRetired.value, std::memory_order_relaxed);
}

RetiredRows::~RetiredRows() {
  for (std::atomic<Block*>& slot : blocks_) {
    Block* block = slot.load(std::memory_order_relaxed);
    if (block == nullptr) continue;
    for (std::atomic<Chunk*>& chunk : block->chunks) delete chunk.load(std::memory_order_relaxed);
    delete block;
  }
}

const RetiredRows::Chunk* RetiredRows::FindChunk(uint64_t number) const {
  const Block* block = blocks_[number / 1024].load(std::memory_order_acquire);
  return block == nullptr ? nullptr : block->chunks[number % 1024].load(std::memory_order_acquire);
}

RetiredRows::Chunk& RetiredRows::MakeChunk(uint64_t number) {
  std::atomic<Block*>& block_slot = blocks_[number / 1024];
  Block* block = block_slot.load(std::memory_order_relaxed);
  if (block == nullptr) {
    block = new Block();
    block_slot.store(block, std::memory_order_release);
  }
  std::atomic<Chunk*>& chunk_slot = block->chunks[number % 1024];
  Chunk* chunk = chunk_slot.load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    chunk = new Chunk();
    chunk_slot.store(chunk, std::memory_order_release);
  }
  return *chunk;
}

void RetiredRows::Retire(RowId row, Version version) {
  if (row.value >= kMaxRows) return;
  Chunk& chunk = MakeChunk(row.value / kChunkRows);
  const uint64_t at = row.value % kChunkRows;
  if (chunk.version[at].load(std::memory_order_relaxed) != kNeverRetired.value) return;
  chunk.version[at].store(version.value, std::memory_order_release);
  chunk.any[at / 64].fetch_or(uint64_t{1} << (at % 64), std::memory_order_release);
}

Version RetiredRows::RetiredAt(RowId row) const {
  if (row.value >= kMaxRows) return kNeverRetired;
  const Chunk* chunk = FindChunk(row.value / kChunkRows);
  if (chunk == nullptr) return kNeverRetired;
  return Version(chunk->version[row.value % kChunkRows].load(std::memory_order_acquire));
}

void RetiredRows::ClearRetired(RowRange range, Version at, std::unique_ptr<Bitmap>& visible) const {
  const uint64_t end = std::min(range.end.value, kMaxRows);
  for (uint64_t row = range.begin.value; row < end;) {
    const uint64_t number = row / kChunkRows;
    const uint64_t chunk_end = std::min(end, (number + 1) * kChunkRows);
    const Chunk* chunk = FindChunk(number);
    for (; chunk != nullptr && row < chunk_end; row = (row / 64 + 1) * 64) {
      const uint64_t first = row % kChunkRows;
      uint64_t word = chunk->any[first / 64].load(std::memory_order_acquire) & (~uint64_t{0} << (first % 64));
      for (; word != 0; word &= word - 1) {
        const uint64_t in_chunk = first / 64 * 64 + static_cast<uint64_t>(std::countr_zero(word));
        const uint64_t retired = number * kChunkRows + in_chunk;
        if (retired >= chunk_end) break;
        if (chunk->version[in_chunk].load(std::memory_order_relaxed) > at.value) continue;
        if (visible == nullptr) visible = std::make_unique<Bitmap>(range.size(), true);
        visible->Clear(retired - range.begin.value);
      }
    }
    row = chunk_end;
  }
}

}  // namespace vouch
