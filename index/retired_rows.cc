#include "index/retired_rows.h"

#include <algorithm>
#include <bit>
#include <span>

namespace vouch {
namespace {

// Clears the bits of `mask` in 64 bits from `at` on, which may be before the first (its bits below that are ignored).
void ClearBits(int64_t at, uint64_t mask, std::span<uint64_t> words) {
  if (at < 0) {
    mask >>= -at;
    at = 0;
  }
  const auto word = static_cast<size_t>(at / 64);
  const int64_t shift = at % 64;
  if (word < words.size()) words[word] &= ~(mask << shift);
  if (shift > 0 && word + 1 < words.size()) words[word + 1] &= ~(mask >> (64 - shift));
}

// For the one writer.
void RaiseTo(uint64_t value, std::atomic<uint64_t>& newest) {
  if (newest.load(std::memory_order_relaxed) < value) newest.store(value, std::memory_order_release);
}

}  // namespace

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

size_t RetiredRows::memory_bytes() const {
  size_t bytes = sizeof(*this);
  for (const std::atomic<Block*>& slot : blocks_) {
    const Block* block = slot.load(std::memory_order_acquire);
    if (block == nullptr) continue;
    bytes += sizeof(Block);
    for (const std::atomic<Chunk*>& chunk : block->chunks) {
      bytes += chunk.load(std::memory_order_acquire) == nullptr ? 0 : sizeof(Chunk);
    }
  }
  return bytes;
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
  // When a store is opened, retirements come in the order of rows.
  RaiseTo(version.value, chunk.newest[at / 64]);
  RaiseTo(version.value, chunk.newest_of_all);
  chunk.any[at / 64].fetch_or(uint64_t{1} << (at % 64), std::memory_order_release);
}

Version RetiredRows::RetiredAt(RowId row) const {
  if (row.value >= kMaxRows) return kNeverRetired;
  const Chunk* chunk = FindChunk(row.value / kChunkRows);
  if (chunk == nullptr) return kNeverRetired;
  return Version(chunk->version[row.value % kChunkRows].load(std::memory_order_acquire));
}

// The rows of the 64 from `word` * 64 on that were retired at or before `at`.
uint64_t RetiredRows::Chunk::RetiredIn(size_t word, uint64_t at) const {
  uint64_t retired = any[word].load(std::memory_order_acquire);
  if (retired == 0 || newest[word].load(std::memory_order_acquire) <= at) return retired;
  for (uint64_t rest = retired; rest != 0; rest &= rest - 1) {
    const auto bit = static_cast<size_t>(std::countr_zero(rest));
    if (version[word * 64 + bit].load(std::memory_order_relaxed) > at) retired &= ~(uint64_t{1} << bit);
  }
  return retired;
}

void RetiredRows::ClearRetired(RowRange range, Version at, std::unique_ptr<Bitmap>& visible) const {
  const uint64_t end = std::min(range.end.value, kMaxRows);
  for (uint64_t row = range.begin.value; row < end;) {
    const uint64_t number = row / kChunkRows;
    const uint64_t first = number * kChunkRows;
    const uint64_t chunk_end = std::min(end, first + kChunkRows);
    const Chunk* chunk = FindChunk(number);
    for (uint64_t word = (row - first) / 64; chunk != nullptr && first + word * 64 < chunk_end; ++word) {
      const uint64_t word_row = first + word * 64;
      uint64_t retired = chunk->RetiredIn(word, at.value);
      if (word_row < row) retired &= ~uint64_t{0} << (row - word_row);
      if (chunk_end - word_row < 64) retired &= (uint64_t{1} << (chunk_end - word_row)) - 1;
      if (retired == 0) continue;
      if (visible == nullptr) visible = std::make_unique<Bitmap>(range.size(), true);
      ClearBits(static_cast<int64_t>(word_row) - static_cast<int64_t>(range.begin.value), retired,
                visible->mutable_words());
    }
    row = chunk_end;
  }
}

Version RetiredRows::NewestIn(RowRange range) const {
  uint64_t newest = 0;
  const uint64_t end = std::min(range.end.value, kMaxRows);
  for (uint64_t number = range.begin.value / kChunkRows; number * kChunkRows < end; ++number) {
    const Chunk* chunk = FindChunk(number);
    if (chunk != nullptr) newest = std::max(newest, chunk->newest_of_all.load(std::memory_order_acquire));
  }
  return Version(newest);
}

}  // namespace vouch
