#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/bitmap.h"
#include "index/payload/code_array.h"

struct roaring_bitmap_s;

namespace vouch {

// A range of dictionary codes, [low, high).
struct CodeRange {
  uint32_t low = 0;
  uint32_t high = 0;
  friend bool operator==(const CodeRange&, const CodeRange&) = default;
};

// At least and at most so many rows.
struct RowBounds {
  uint64_t lower = 0;
  uint64_t upper = 0;
  friend bool operator==(const RowBounds&, const RowBounds&) = default;
};

// Which rows of a segment have which value of a field, values being codes of a dictionary in value order. It is a function
// of the codes, so it is made when they are read and never stored. Immutable, thread safe.
//
// Three structures, each where it is the cheapest:
// - postings: the rows of each code, as one run of row numbers in code order, or, where values are few, as a CRoaring bitmap
//   a code, or, for a code that one row in 32 has, as plain words, which are no larger then and are passed over several at
//   once. Equality and narrow ranges come from these, a nanosecond or two a row at most.
// - checkpoints: at some kCheckpoints codes, evenly spaced by rows, the bitmap of all rows below the code. A wide range is
//   the difference of two of them, mended by the postings between a checkpoint and the range's end; so it costs two passes
//   over the words and at most rows / kCheckpoints / 2 postings on each side, however wide it is. Where rows have several
//   values the difference would take away rows that have a second value in the range; there ranges that are open on one side
//   use bitmaps of the rows below, or from the code on, and others use postings.
// - cumulative counts of postings, from which estimates come by subtraction.
//
// Invariant: a row stands once under a code, however often it has the value.
class ValueIndex {
 public:
  static constexpr uint32_t kCheckpoints = 32;
  static constexpr uint32_t kWideShare = 32;
  // Below this many rows a scan of the codes is as fast.
  static constexpr uint32_t kMinRows = 1024;

  // `ends` as in Column; empty: each row has one value. Codes are below `distinct`.
  static std::unique_ptr<const ValueIndex> Build(const CodeArray& codes, std::span<const uint32_t> ends, uint32_t rows,
                                                 uint32_t distinct);
  ~ValueIndex();

  // Rows with any value at all.
  uint64_t present_rows() const { return present_rows_; }
  // Whether no row has more than one value: ranges of the field may then be intersected.
  bool single() const { return single_; }
  // Rows with a value in the range; both bounds are exact where rows have one value at most.
  RowBounds Bounds(CodeRange range) const;
  // Adds the rows with a value in the range. `rows_empty` says that no row is set yet, which spares a copy.
  void AddRows(CodeRange range, bool rows_empty, Bitmap& rows) const;

  size_t memory_bytes() const;

 private:
  struct Checkpoint {
    uint32_t code = 0;
    Bitmap below;    // rows with a value below `code`
    Bitmap at_or_above;  // rows with a value from `code` on; only where rows have several
  };
  struct FreeRoaring {
    void operator()(roaring_bitmap_s* bitmap) const;
  };
  struct CodeRows {
    std::unique_ptr<roaring_bitmap_s, FreeRoaring> roaring;  // null: `words`
    Bitmap words;
  };

  ValueIndex() = default;
  void CountPostings(const CodeArray& codes, std::span<const uint32_t> ends);
  void FillPostings(const CodeArray& codes, std::span<const uint32_t> ends);
  void MakeBitmaps();
  void MakeCheckpoints();
  std::vector<uint32_t> PickCheckpointCodes() const;

  uint64_t Postings(CodeRange range) const { return starts_[range.high] - starts_[range.low]; }
  // Sets, or clears, the rows of the codes by their postings.
  void ApplyPostings(CodeRange range, bool set, Bitmap& rows) const;
  // The checkpoint nearest to the code by postings; null: there is none.
  const Checkpoint* Nearest(uint32_t code) const;
  const Checkpoint* LastAtOrBelow(uint32_t code) const;
  const Checkpoint* FirstAtOrAbove(uint32_t code) const;
  // False, and nothing done, where postings alone are as cheap.
  bool AddFromCheckpoints(CodeRange range, Bitmap& rows) const;
  void AddSingle(CodeRange range, const Checkpoint* from, const Checkpoint* to, Bitmap& rows) const;

  uint32_t rows_ = 0;
  uint32_t distinct_ = 0;
  uint64_t present_rows_ = 0;
  uint32_t most_values_ = 1;  // of one row
  bool single_ = true;
  Bitmap present_;                  // empty where every row has a value
  std::vector<uint32_t> starts_;    // distinct_ + 1; postings of codes below
  std::vector<uint32_t> postings_;  // empty where bitmaps_ is used
  std::vector<CodeRows> bitmaps_;   // one a code
  std::vector<uint64_t> costs_;     // with bitmaps_, distinct_ + 1: of adding the codes below, in postings
  std::vector<Checkpoint> checkpoints_;  // by code
};

}  // namespace vouch
