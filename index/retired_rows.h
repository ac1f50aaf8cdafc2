#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "index/bitmap.h"
#include "storage/ids.h"

namespace vouch {

// At which version each row was retired; rows not retired have kNeverRetired. Chunks of rows never move once made, and
// are made by their first retired row.
//
// Thread safety: one writer; any number of readers beside it.
//
// Invariants:
// 1. A row is retired at most once: its version goes from kNeverRetired to v and stays.
// 2. A reader at version v has taken its snapshot after all retirements at or before v were stored. A retirement that
//    it meets while it is stored is of a newer version, and not being <= v it changes nothing whether seen or not. So
//    readers need no lock, and a race has one result.
class RetiredRows {
 public:
  static constexpr uint64_t kChunkRows = 65'536;
  static constexpr uint64_t kMaxRows = kChunkRows << 20;

  RetiredRows() = default;
  ~RetiredRows();
  RetiredRows(const RetiredRows&) = delete;
  RetiredRows& operator=(const RetiredRows&) = delete;

  // Rows from kMaxRows on are ignored; there are fewer in any collection that memory holds.
  void Retire(RowId row, Version version);
  Version RetiredAt(RowId row) const;
  // Clears in `visible`, which stands for the rows from `range.begin` on, those retired at or before `at`. Null
  // `visible` is made, all set, by the first such row.
  void ClearRetired(RowRange range, Version at, std::unique_ptr<Bitmap>& visible) const;
  // A version at or after the newest retirement in the range; 0 where there is none.
  Version NewestIn(RowRange range) const;
  size_t memory_bytes() const;

 private:
  struct Chunk {
    // A bit that is clear spares reading the version.
    std::array<std::atomic<uint64_t>, kChunkRows / 64> any{};
    std::array<std::atomic<uint64_t>, kChunkRows> version;
    // The newest retirement of each 64 rows, and of all: where it is old enough, 64 rows are cleared at once. Stored before
    // the bit in `any`, so that whoever sees the bit sees at least its version.
    std::array<std::atomic<uint64_t>, kChunkRows / 64> newest{};
    std::atomic<uint64_t> newest_of_all = 0;
    Chunk();
    uint64_t RetiredIn(size_t word, uint64_t at) const;
  };
  struct Block {
    std::array<std::atomic<Chunk*>, 1024> chunks{};
  };

  const Chunk* FindChunk(uint64_t number) const;
  Chunk& MakeChunk(uint64_t number);

  std::array<std::atomic<Block*>, 1024> blocks_{};
};

}  // namespace vouch
