#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "index/flat_codec.h"
#include "index/inverted/block_codec.h"

namespace vouch {

// What is kept with each row of a list: counts from 1 on (packed), or the bits of a finite float
// (as they are).
enum class PostingValues : uint8_t { kCounts, kFloats };

// Up to kBlockPostings neighbouring postings of a list, decoded.
struct PostingBlock {
  uint32_t count = 0;
  alignas(32) uint32_t rows[kBlockPostings];    // ascending
  alignas(32) uint32_t values[kBlockPostings];  // counts, or the bits of floats
};

// Part of a bound on what the postings of a block can give to a score; what the two numbers mean is
// BoundMaker's.
struct PostingBound {
  uint32_t a = 0;
  uint32_t b = 0;
  friend bool operator==(const PostingBound&, const PostingBound&) = default;
};

// Makes bounds of blocks, and of a list from those of its blocks.
class BoundMaker {
 public:
  virtual ~BoundMaker() = default;
  virtual void AppendBlock(const PostingBlock& block, std::vector<PostingBound>* bounds) const = 0;
  virtual void AppendList(std::span<const PostingBound> blocks,
                          std::vector<PostingBound>* bounds) const = 0;
};

// One term's postings: blocks of kBlockPostings rows, the last of them shorter. Borrows from
// PostingLists.
class PostingList {
 public:
  // Where a block of a list with several of them lies.
  struct Entry {
    uint32_t last_row = 0;
    uint32_t offset = 0;  // of its bytes in the list's
    uint32_t bounds_begin = 0;
    uint32_t bounds_end = 0;
  };

  PostingList() = default;
  PostingList(PostingValues kind, uint32_t size, const char* bytes, std::span<const Entry> entries,
              const PostingBound* bounds, std::span<const PostingBound> list_bounds)
      : kind_(kind),
        size_(size),
        bytes_(bytes),
        entries_(entries),
        bounds_(bounds),
        list_bounds_(list_bounds) {}

  bool empty() const { return size_ == 0; }
  uint32_t size() const { return size_; }
  uint32_t blocks() const {
    return static_cast<uint32_t>((size_ + kBlockPostings - 1) / kBlockPostings);
  }
  void Decode(uint32_t block, PostingBlock* out) const;

  // Lists of one block have neither last rows nor bounds: it costs as little to decode them.
  bool has_bounds() const { return !entries_.empty(); }
  uint32_t last_row(uint32_t block) const { return entries_[block].last_row; }
  std::span<const PostingBound> bounds(uint32_t block) const {
    return {bounds_ + entries_[block].bounds_begin, bounds_ + entries_[block].bounds_end};
  }
  std::span<const PostingBound> bounds() const { return list_bounds_; }

  // Calls visit(const PostingBlock&) for each block, in order.
  template <typename Visit>
  void ForEachBlock(Visit visit) const {
    PostingBlock block;
    for (uint32_t b = 0; b < blocks(); ++b) {
      Decode(b, &block);
      visit(block);
    }
  }
  // The first block that may hold rows from `row` on, from block `from` on; blocks() where there is
  // none.
  uint32_t SeekBlock(uint32_t row, uint32_t from) const;
  // The value of a row; nullopt where the list does not have it.
  std::optional<uint32_t> Find(uint32_t row) const;

 private:
  PostingValues kind_ = PostingValues::kCounts;
  uint32_t size_ = 0;
  const char* bytes_ = nullptr;
  std::span<const Entry> entries_;
  const PostingBound* bounds_ = nullptr;
  std::span<const PostingBound> list_bounds_;
};

// Posting lists of the terms 0, 1, 2 …, compressed, as memory and files hold them; the grammar
// stands in README.md. Bounds and block entries are made when lists are added or read and stand in
// no file, so that they cannot disagree with the postings. Thread safety: const methods may run on
// any number of threads.
//
// Invariants, checked by Read: 1. a list has at least one posting, and its rows ascend below the
// number of rows; 2. counts are at least 1, floats finite; 3. equal lists give equal bytes: no more
// bits a number than needed, zeros as filling.
class PostingLists {
 public:
  explicit PostingLists(PostingValues kind) : kind_(kind) {}

  size_t size() const { return counts_.size(); }
  PostingList list(size_t term) const;
  size_t memory_bytes() const;

  // The next term's list. Rows ascend; at least one.
  void Add(std::span<const uint32_t> rows, std::span<const uint32_t> values,
           const BoundMaker& bounds);
  void ShrinkToFit();

  // u32 counts[terms], u64 bytes, the bytes.
  void Write(FlatWriter* writer) const;
  // Replaces all lists. DATA_LOSS without a prefix where an invariant does not hold. `visit` sees
  // each block.
  absl::Status Read(FlatReader* reader, size_t terms, uint32_t rows, const BoundMaker& bounds,
                    const std::function<void(const PostingBlock&)>& visit);

 private:
  struct LongList {
    uint32_t term = 0;
    uint32_t first_entry = 0;
    uint32_t bounds_begin = 0;  // of the list as a whole
    uint32_t bounds_end = 0;
  };

  void AddEntry(const PostingBlock& block, size_t offset, const BoundMaker& bounds);
  void FinishLong(size_t term, size_t first_entry, const BoundMaker& bounds);
  absl::Status ReadList(size_t term, std::string_view rest, uint32_t rows, const BoundMaker& bounds,
                        const std::function<void(const PostingBlock&)>& visit, size_t* used);
  void Seal();  // puts the bytes that UnpackNumbers may read after the last list

  PostingValues kind_;
  std::vector<uint32_t> counts_;
  std::vector<uint64_t> ends_;        // of the lists in bytes_
  std::string bytes_;                 // and kUnpackSlackBytes zeros
  std::vector<LongList> long_lists_;  // of more than one block, by term
  std::vector<PostingList::Entry> entries_;
  std::vector<PostingBound> bounds_;
};

}  // namespace vouch
