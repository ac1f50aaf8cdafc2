#include "index/inverted/posting_lists.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

constexpr uint32_t kBeforeFirst = ~uint32_t{0};  // the "row" before row 0

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(absl::string_view(what.data(), what.size()));
}

// Appends one block: u8 bits of rows, for counts u8 bits of counts; the packed steps between rows
// (less 1, the first from the last row of the block before it); the packed counts (less 1), or the
// floats.
void EncodeBlock(PostingValues kind, uint32_t before, const uint32_t* rows, const uint32_t* values,
                 size_t count, std::string* out) {
  uint32_t numbers[kBlockPostings];
  for (size_t i = 0; i < count; ++i) {
    numbers[i] = rows[i] - before - 1;
    before = rows[i];
  }
  const uint32_t row_bits = BitsFor(numbers, count);
  out->push_back(static_cast<char>(row_bits));
  if (kind == PostingValues::kFloats) {
    PackNumbers(numbers, count, row_bits, out);
    out->append(reinterpret_cast<const char*>(values), count * sizeof(uint32_t));
    return;
  }
  uint32_t counts[kBlockPostings];
  for (size_t i = 0; i < count; ++i) counts[i] = values[i] - 1;
  const uint32_t count_bits = BitsFor(counts, count);
  out->push_back(static_cast<char>(count_bits));
  PackNumbers(numbers, count, row_bits, out);
  PackNumbers(counts, count, count_bits, out);
}

// The bytes of a block of `count` postings whose first bytes are `bytes`; 0 where they are cut
// short or no block.
size_t BlockBytes(PostingValues kind, size_t count, std::string_view bytes) {
  const bool counts = kind == PostingValues::kCounts;
  const size_t header = counts ? 2 : 1;
  if (bytes.size() < header) return 0;
  const auto row_bits = static_cast<uint8_t>(bytes[0]);
  const uint8_t value_bits = counts ? static_cast<uint8_t>(bytes[1]) : 32;
  if (row_bits > 32 || value_bits > 32) return 0;
  const size_t size = header + PackedBytes(count, row_bits) + PackedBytes(count, value_bits);
  return size <= bytes.size() ? size : 0;
}

// The rows of a block, in place of the steps between them (less 1).
void AddUpSteps(uint32_t before, uint32_t count, uint32_t* rows) {
  uint32_t row = before;
  uint32_t i = 0;
#if defined(__SSE2__)
  __m128i last = _mm_set1_epi32(static_cast<int>(before));
  const __m128i one = _mm_set1_epi32(1);
  for (; i + 4 <= count; i += 4) {
    __m128i sums = _mm_add_epi32(_mm_load_si128(reinterpret_cast<__m128i*>(rows + i)), one);
    sums = _mm_add_epi32(sums, _mm_slli_si128(sums, 4));
    sums = _mm_add_epi32(sums, _mm_slli_si128(sums, 8));
    sums = _mm_add_epi32(sums, last);
    _mm_store_si128(reinterpret_cast<__m128i*>(rows + i), sums);
    last = _mm_shuffle_epi32(sums, 0xff);
  }
  row = static_cast<uint32_t>(_mm_cvtsi128_si32(last));
#endif
  for (; i < count; ++i) {
    row += rows[i] + 1;
    rows[i] = row;
  }
}

// As memcpy, which becomes a string instruction that takes long to start.
void CopyWords(const char* from, uint32_t count, uint32_t* to) {
  uint32_t i = 0;
#if defined(__SSE2__)
  for (; i + 4 <= count; i += 4) {
    const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * 4));
    _mm_store_si128(reinterpret_cast<__m128i*>(to + i), words);
  }
#endif
  std::memcpy(to + i, from + i * 4, (count - i) * sizeof(uint32_t));
}

void DecodeBlock(PostingValues kind, uint32_t before, const char* bytes, uint32_t count,
                 PostingBlock* out) {
  out->count = count;
  const auto row_bits = static_cast<uint8_t>(bytes[0]);
  if (kind == PostingValues::kCounts) {
    const auto value_bits = static_cast<uint8_t>(bytes[1]);
    UnpackNumbers(bytes + 2, count, row_bits, out->rows);
    UnpackNumbers(bytes + 2 + PackedBytes(count, row_bits), count, value_bits, out->values);
    for (uint32_t i = 0; i < count; ++i) ++out->values[i];
  } else {
    UnpackNumbers(bytes + 1, count, row_bits, out->rows);
    CopyWords(bytes + 1 + PackedBytes(count, row_bits), count, out->values);
  }
  AddUpSteps(before, count, out->rows);
}

// Whether a decoded block keeps the invariants; steps that run over 32 bits come out as rows that
// do not ascend.
absl::Status CheckBlock(PostingValues kind, const PostingBlock& block, uint32_t before,
                        uint32_t rows) {
  int64_t previous = before == kBeforeFirst ? -1 : int64_t{before};
  for (uint32_t i = 0; i < block.count; ++i) {
    if (block.rows[i] >= rows) return Damaged(absl::StrCat("row ", block.rows[i], " of ", rows));
    if (block.rows[i] <= previous) return Damaged("postings out of row order");
    previous = block.rows[i];
    if (kind == PostingValues::kCounts && block.values[i] == 0)
      return Damaged("a posting of frequency 0");
    if (kind == PostingValues::kFloats && (block.values[i] & 0x7f800000u) == 0x7f800000u) {
      return Damaged("a value that is not finite");
    }
  }
  return absl::OkStatus();
}

}  // namespace

void PostingList::Decode(uint32_t block, PostingBlock* out) const {
  const uint32_t before = block == 0 ? kBeforeFirst : entries_[block - 1].last_row;
  const char* bytes = block == 0 ? bytes_ : bytes_ + entries_[block].offset;
  const auto left = static_cast<uint32_t>(size_ - block * kBlockPostings);
  DecodeBlock(kind_, before, bytes, std::min<uint32_t>(left, kBlockPostings), out);
}

uint32_t PostingList::SeekBlock(uint32_t row, uint32_t from) const {
  if (entries_.empty()) return from;
  // Most steps are short: gallop, then halve.
  uint32_t step = 1;
  uint32_t low = from;
  const uint32_t end = blocks();
  while (low < end && entries_[low].last_row < row) {
    if (low + step >= end || entries_[low + step].last_row >= row) {
      uint32_t high = std::min(low + step, end);
      ++low;
      while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (entries_[middle].last_row < row) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    }
    low += step;
    step *= 2;
  }
  return low;
}

std::optional<uint32_t> PostingList::Find(uint32_t row) const {
  const uint32_t b = SeekBlock(row, 0);
  if (b >= blocks()) return std::nullopt;
  PostingBlock block;
  Decode(b, &block);
  const uint32_t* found = std::lower_bound(block.rows, block.rows + block.count, row);
  if (found == block.rows + block.count || *found != row) return std::nullopt;
  return block.values[found - block.rows];
}

PostingList PostingLists::list(size_t term) const {
  const uint64_t begin = term == 0 ? 0 : ends_[term - 1];
  const uint32_t count = counts_[term];
  if (count <= kBlockPostings) return {kind_, count, bytes_.data() + begin, {}, nullptr, {}};
  const auto found =
      std::lower_bound(long_lists_.begin(), long_lists_.end(), term,
                       [](const LongList& list, size_t wanted) { return list.term < wanted; });
  const size_t blocks = (count + kBlockPostings - 1) / kBlockPostings;
  return {kind_,
          count,
          bytes_.data() + begin,
          std::span(entries_).subspan(found->first_entry, blocks),
          bounds_.data(),
          std::span(bounds_).subspan(found->bounds_begin, found->bounds_end - found->bounds_begin)};
}

size_t PostingLists::memory_bytes() const {
  return counts_.capacity() * sizeof(uint32_t) + ends_.capacity() * sizeof(uint64_t) +
         bytes_.capacity() + long_lists_.capacity() * sizeof(LongList) +
         entries_.capacity() * sizeof(PostingList::Entry) +
         bounds_.capacity() * sizeof(PostingBound);
}

void PostingLists::Add(std::span<const uint32_t> rows, std::span<const uint32_t> values,
                       const BoundMaker& bounds) {
  if (!bytes_.empty()) bytes_.resize(bytes_.size() - kUnpackSlackBytes);
  const size_t begin = bytes_.size();
  const size_t first_entry = entries_.size();
  const bool is_long = rows.size() > kBlockPostings;
  uint32_t before = kBeforeFirst;
  PostingBlock block;
  for (size_t i = 0; i < rows.size(); i += kBlockPostings) {
    const size_t count = std::min(kBlockPostings, rows.size() - i);
    const size_t offset = bytes_.size() - begin;
    EncodeBlock(kind_, before, &rows[i], &values[i], count, &bytes_);
    before = rows[i + count - 1];
    if (!is_long) continue;
    block.count = static_cast<uint32_t>(count);
    std::copy_n(&rows[i], count, block.rows);
    std::copy_n(&values[i], count, block.values);
    AddEntry(block, offset, bounds);
  }
  if (is_long) FinishLong(counts_.size(), first_entry, bounds);
  counts_.push_back(static_cast<uint32_t>(rows.size()));
  ends_.push_back(bytes_.size());
  Seal();
}

void PostingLists::AddEntry(const PostingBlock& block, size_t offset, const BoundMaker& bounds) {
  const auto bounds_begin = static_cast<uint32_t>(bounds_.size());
  bounds.AppendBlock(block, &bounds_);
  entries_.push_back({.last_row = block.rows[block.count - 1],
                      .offset = static_cast<uint32_t>(offset),
                      .bounds_begin = bounds_begin,
                      .bounds_end = static_cast<uint32_t>(bounds_.size())});
}

void PostingLists::FinishLong(size_t term, size_t first_entry, const BoundMaker& bounds) {
  const uint32_t blocks_begin = entries_[first_entry].bounds_begin;
  const std::vector<PostingBound> blocks(bounds_.begin() + blocks_begin, bounds_.end());
  const auto bounds_begin = static_cast<uint32_t>(bounds_.size());
  bounds.AppendList(blocks, &bounds_);
  long_lists_.push_back({.term = static_cast<uint32_t>(term),
                         .first_entry = static_cast<uint32_t>(first_entry),
                         .bounds_begin = bounds_begin,
                         .bounds_end = static_cast<uint32_t>(bounds_.size())});
}

void PostingLists::Seal() { bytes_.append(kUnpackSlackBytes, '\0'); }

void PostingLists::ShrinkToFit() {
  counts_.shrink_to_fit();
  ends_.shrink_to_fit();
  bytes_.shrink_to_fit();
  long_lists_.shrink_to_fit();
  entries_.shrink_to_fit();
  bounds_.shrink_to_fit();
}

void PostingLists::Write(FlatWriter* writer) const {
  writer->Array(counts_);
  const std::string_view bytes =
      std::string_view(bytes_).substr(0, ends_.empty() ? 0 : ends_.back());
  writer->Number<uint64_t>(bytes.size());
  writer->Bytes(bytes);
}

absl::Status PostingLists::Read(FlatReader* reader, size_t terms, uint32_t rows,
                                const BoundMaker& bounds,
                                const std::function<void(const PostingBlock&)>& visit) {
  *this = PostingLists(kind_);
  uint64_t bytes = 0;
  if (!reader->Array(terms, &counts_)) return Damaged("the postings' counts are cut short");
  if (!reader->Number(&bytes) || !reader->Bytes(bytes, &bytes_))
    return Damaged("the postings are cut short");
  Seal();
  ends_.reserve(terms);
  size_t at = 0;
  for (size_t term = 0; term < terms; ++term) {
    const std::string_view rest = std::string_view(bytes_).substr(at, bytes - at);
    size_t used = 0;
    if (absl::Status status = ReadList(term, rest, rows, bounds, visit, &used); !status.ok())
      return status;
    at += used;
    ends_.push_back(at);
  }
  if (at != bytes) return Damaged("bytes after the last posting");
  ShrinkToFit();
  return absl::OkStatus();
}

absl::Status PostingLists::ReadList(size_t term, std::string_view rest, uint32_t rows,
                                    const BoundMaker& bounds,
                                    const std::function<void(const PostingBlock&)>& visit,
                                    size_t* used) {
  const uint32_t count = counts_[term];
  if (count == 0) return Damaged("a term without postings");
  if (count > rows)
    return Damaged(absl::StrCat("a term with ", count, " postings in ", rows, " rows"));
  const size_t first_entry = entries_.size();
  uint32_t before = kBeforeFirst;
  PostingBlock block;
  std::string again;
  size_t offset = 0;
  for (uint32_t done = 0; done < count; done += block.count) {
    const uint32_t size = std::min<uint32_t>(count - done, kBlockPostings);
    const std::string_view bytes = rest.substr(offset);
    const size_t block_bytes = BlockBytes(kind_, size, bytes);
    if (block_bytes == 0) return Damaged("a block of postings is cut short");
    DecodeBlock(kind_, before, bytes.data(), size, &block);
    if (absl::Status status = CheckBlock(kind_, block, before, rows); !status.ok()) return status;
    again.clear();
    EncodeBlock(kind_, before, block.rows, block.values, size, &again);
    if (again != bytes.substr(0, block_bytes))
      return Damaged("a block of postings in another form");
    visit(block);
    if (count > kBlockPostings) AddEntry(block, offset, bounds);
    before = block.rows[size - 1];
    offset += block_bytes;
  }
  if (offset > UINT32_MAX) return Damaged("a list of postings over 4 GiB");
  if (count > kBlockPostings) FinishLong(term, first_entry, bounds);
  *used = offset;
  return absl::OkStatus();
}

}  // namespace vouch
