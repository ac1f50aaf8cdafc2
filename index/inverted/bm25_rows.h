#pragma once

#include <cstdint>
#include <vector>

#include "index/inverted/bm25.h"
#include "index/inverted/posting_lists.h"
#include "index/inverted/text_index.h"

namespace vouch {

// BM25 of chosen rows of one segment, from the terms of their texts: what it costs goes by the length
// of these texts, and not by how many rows have the terms. Where a text is so long that to look the
// terms up in their postings is less work, that is done.
//
// Scores are those of SearchBm25 over the same statistics, to the last bit. For one thread; borrows
// the index and the statistics.
class Bm25Rows {
 public:
  Bm25Rows(const TextIndex& index, const TextStatistics& statistics, const Bm25Params& params);

  // Of a row counted from the segment's first one; 0 where it has none of the terms.
  float Score(uint32_t row);
  // What each term that the row has gives to its score, in the order of the statistics.
  std::vector<TermContribution> Explain(uint32_t row);

 private:
  // A term of the query that the segment has.
  struct Term {
    PostingList postings;
    const TermStatistics* statistics = nullptr;
    uint32_t frequency = 0;  // in the row at hand
  };
  // An entry of a table from ordinals of the dictionary to `terms_`, with open addressing.
  struct Slot {
    uint32_t ordinal = kFree;
    uint32_t term = 0;
  };
  static constexpr uint32_t kFree = ~uint32_t{0};

  void Insert(uint32_t ordinal, uint32_t term);
  void Count(uint32_t row);
  void CountTokens(uint32_t row);
  void LookUpTerms(uint32_t row);
  // Calls visit(term, what it gives) for each term that the row has.
  template <typename Visit>
  void ForEachShare(uint32_t row, const Visit& visit);
  uint32_t Home(uint32_t ordinal) const { return (ordinal * 0x9e3779b1u) >> shift_; }

  const TextIndex& index_;
  const Bm25Params params_;
  const double average_length_;
  std::vector<Term> terms_;  // in the order of the statistics
  std::vector<Slot> slots_;  // a power of two, at most a quarter taken
  uint32_t shift_ = 0;
  std::vector<uint32_t> tokens_;
};

}  // namespace vouch
