#include "storage/purged_rows.h"

#include <algorithm>
#include <bit>

#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"

namespace vouch {

namespace {

constexpr uint8_t kRuns = 1;
constexpr uint8_t kBits = 2;

// Calls `visit` with each word of the chunk that holds one of its rows [begin, end), and the bits that are theirs.
template <typename Visit>
void ForEachWord(uint64_t begin, uint64_t end, Visit visit) {
  for (uint64_t word = begin / 64; word * 64 < end; ++word) {
    uint64_t mask = ~uint64_t{0};
    if (word * 64 < begin) mask &= ~uint64_t{0} << (begin - word * 64);
    if (end - word * 64 < 64) mask &= (uint64_t{1} << (end - word * 64)) - 1;
    visit(word, mask);
  }
}

// The runs of set bits, each as its first row and the one after its last.
template <typename Visit>
void ForEachRun(const PurgedRows::Chunk& chunk, Visit visit) {
  uint64_t at = 0;
  const auto next = [&](bool set) {
    while (at < PurgedRows::kChunkRows) {
      const uint64_t word = (set ? chunk[at / 64] : ~chunk[at / 64]) & (~uint64_t{0} << (at % 64));
      if (word != 0) {
        at = at / 64 * 64 + static_cast<uint64_t>(std::countr_zero(word));
        return true;
      }
      at = (at / 64 + 1) * 64;
    }
    return false;
  };
  while (next(true)) {
    const uint64_t begin = at;
    next(false);
    visit(begin, at);
  }
}

}  // namespace

void PurgedRows::Add(RowRange rows) {
  for (uint64_t row = rows.begin.value; row < rows.end.value;) {
    const uint64_t number = row / kChunkRows;
    const uint64_t first = number * kChunkRows;
    const uint64_t end = std::min(rows.end.value - first, kChunkRows);
    Chunk& chunk = chunks_.try_emplace(number, Chunk{}).first->second;
    ForEachWord(row - first, end, [&](uint64_t word, uint64_t mask) {
      count_ += static_cast<uint64_t>(std::popcount(mask & ~chunk[word]));
      chunk[word] |= mask;
    });
    row = first + end;
  }
}

void PurgedRows::Add(const PurgedRows& other) {
  other.ForEachRange([this](RowRange rows) { Add(rows); });
}

bool PurgedRows::Contains(RowId row) const {
  const auto at = chunks_.find(row.value / kChunkRows);
  if (at == chunks_.end()) return false;
  const uint64_t local = row.value % kChunkRows;
  return (at->second[local / 64] >> (local % 64) & 1) != 0;
}

uint64_t PurgedRows::Count(RowRange rows) const {
  uint64_t count = 0;
  for (auto at = chunks_.lower_bound(rows.begin.value / kChunkRows); at != chunks_.end(); ++at) {
    const uint64_t first = at->first * kChunkRows;
    if (first >= rows.end.value) break;
    const uint64_t begin = std::max(rows.begin.value, first) - first;
    ForEachWord(begin, std::min(rows.end.value - first, kChunkRows), [&](uint64_t word, uint64_t mask) {
      count += static_cast<uint64_t>(std::popcount(at->second[word] & mask));
    });
  }
  return count;
}

void PurgedRows::ForEachRange(const std::function<void(RowRange)>& visit) const {
  RowRange open;
  for (const auto& [number, chunk] : chunks_) {
    const uint64_t first = number * kChunkRows;
    ForEachRun(chunk, [&, first = first](uint64_t begin, uint64_t end) {
      if (!open.empty() && open.end.value == first + begin) {
        open.end = RowId(first + end);
        return;
      }
      if (!open.empty()) visit(open);
      open = {RowId(first + begin), RowId(first + end)};
    });
  }
  if (!open.empty()) visit(open);
}

std::string PurgedRows::EncodeChunk(CollectionId collection, uint64_t number) const {
  static const Chunk kNone{};
  const auto at = chunks_.find(number);
  const Chunk& chunk = at == chunks_.end() ? kNone : at->second;
  std::string value;
  PutByte(value, kRuns);
  uint64_t last = 0;
  ForEachRun(chunk, [&](uint64_t begin, uint64_t end) {
    PutVarint(value, begin - last);
    PutVarint(value, end - begin);
    last = end;
  });
  if (value.size() > 1 + sizeof(Chunk)) {
    value.clear();
    PutByte(value, kBits);
    for (const uint64_t word : chunk) PutBe64(value, word);
  }
  Seal(value, SealSeed(collection, number));
  return value;
}

absl::Status PurgedRows::AddChunk(CollectionId collection, uint64_t number, std::string_view value) {
  const auto damaged = [&] {
    return absl::DataLossError(Concat("the rows from ", number * kChunkRows, " on of collection ", collection.value,
                                      " that were let go: the value is damaged"));
  };
  std::string_view content;
  if (!Unseal(value, SealSeed(collection, number), content) || number > kNoRow.value / kChunkRows - 1) {
    return damaged();
  }
  Decoder decoder(content);
  const uint8_t kind = decoder.Byte();
  PurgedRows read;
  const uint64_t first = number * kChunkRows;
  if (kind == kBits) {
    for (uint64_t word = 0; word < kChunkRows / 64; ++word) {
      uint64_t bits = decoder.Be64();
      for (; bits != 0; bits &= bits - 1) {
        const uint64_t row = first + word * 64 + static_cast<uint64_t>(std::countr_zero(bits));
        read.Add({RowId(row), RowId(row + 1)});
      }
    }
  } else if (kind == kRuns) {
    uint64_t last = 0;
    while (decoder.remaining() > 0) {
      const uint64_t gap = decoder.Varint();
      const uint64_t length = decoder.Varint();
      if (!decoder.ok() || gap > kChunkRows - last || length < 1 || length > kChunkRows - last - gap) return damaged();
      read.Add({RowId(first + last + gap), RowId(first + last + gap + length)});
      last += gap + length;
    }
  } else {
    return damaged();
  }
  if (!decoder.Done()) return damaged();
  Add(read);
  return absl::OkStatus();
}

}  // namespace vouch
