#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "absl/status/status.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/inverted/best_hits.h"
#include "index/inverted/posting_lists.h"

namespace vouch {

// One query term in one segment. A Scorer has
// - void Score(const PostingBlock&, uint32_t from, uint32_t to, double* out) const:
//   contributions of postings [from, to)
// - double ScoreOne(uint32_t row, uint32_t value) const: the same of one posting
// - double Highest(const PostingBound&) const: at least each contribution that the bound stands for
// - double Magnitude(const PostingBound&) const: at least its absolute value
// - static constexpr bool kPositive: each contribution is above 0, and so must a hit's score be
// - static constexpr uint32_t kWindowRows: a multiple of 64. More: fewer steps of the scan, and
// looser
//   bounds; so the less a posting costs, the larger
template <class Scorer>
struct ScanTerm {
  PostingList list;
  Scorer scorer;
};

struct RankedScanStats {
  uint64_t scored = 0;   // postings whose contribution was added
  uint64_t windows = 0;  // not skipped
};

// The exact best rows of one segment, where a row's score is the sum, in double and in the order of
// the terms, of the contributions of the terms that it has, rounded once to float. Postings that
// cannot change the result are not read.
//
// Block-max MaxScore over windows of rows (Turtle and Flood 1995; Ding and Suel 2011; Chakrabarti
// and others 2011): in each window the terms with the smallest block maxima, which together cannot
// lift a row over the worst hit so far, are looked up only for rows that the other terms have
// brought near; a window whose block maxima together cannot is skipped.
//
// Why leaving out changes no bit: 1. Rows come in ascending order, in a segment and from segment to
// segment, so a row whose score is at most the worst hit's loses against it; as scores are compared
// as floats, a row is left out only where an upper bound of its sum, rounded to float, is at most
// that. 2. Sums of doubles in another order differ from the defined sum by less than `slack_` (the
// standard bound: terms · 2⁻⁵³ · the sum of magnitudes, taken four times). Every upper bound has it
// added, and a candidate's score is that of its sum only where sum − slack and sum + slack round to
// the same float; else it is summed again in the defined order.
template <class Scorer>
class RankedScan {
 public:
  // `allowed` null: all rows. Terms have at least one posting each.
  RankedScan(std::span<const ScanTerm<Scorer>> terms, RowId first_row, uint32_t rows,
             const Bitmap* allowed)
      : first_row_(first_row), rows_(rows), allowed_(allowed), cursors_(terms.size()) {
    double magnitudes = 0;
    for (size_t i = 0; i < terms.size(); ++i) {
      cursors_[i].term = &terms[i];
      magnitudes += cursors_[i].Open();
      by_highest_.push_back({.highest = cursors_[i].highest, .cursor = &cursors_[i]});
    }
    slack_ = static_cast<double>(terms.size() + 2) * 0x1p-51 * magnitudes;
    std::sort(by_highest_.begin(), by_highest_.end(), HigherFirst());
  }

  absl::Status Run(const CancelToken& cancel, BestHits* best, RankedScanStats* stats) {
    if (cursors_.empty() || rows_ == 0) return absl::OkStatus();
    absl::Status status =
        PrefersAllowedRows() ? RunOverAllowed(cancel, best) : RunOverWindows(cancel, best);
    if (stats != nullptr) {
      stats->scored += stats_.scored;
      stats->windows += stats_.windows;
    }
    return status;
  }

 private:
  static constexpr uint32_t kWindowRows = Scorer::kWindowRows;
  static_assert(kWindowRows % 64 == 0);
  static constexpr uint32_t kNotDecoded = ~uint32_t{0};
  static constexpr size_t kWindowsPerCancelCheck = 16;
  static constexpr size_t kRowsPerCancelCheck = 1024;
  // What a block costs to decode and a posting to score, by which a filter is chosen to lead the
  // scan: measured in bench/bm25_bench.
  static constexpr double kBlockCost = 60;
  static constexpr double kRecountFactor = 4;
  static constexpr double kLookupCost = 8;
  static constexpr double kCountCost = 0.15;  // of one row of a window

  struct Cursor {
    const ScanTerm<Scorer>* term = nullptr;
    double highest = 0;     // of the whole list, at least 0
    uint32_t block = 0;     // the block of the next posting; list.blocks() at the end
    uint32_t position = 0;  // in that block, once it is decoded
    uint32_t decoded = kNotDecoded;
    uint32_t bound_block = kNotDecoded;  // whose bound is `bound`
    double bound = 0;
    PostingBlock postings;

    // The largest magnitude of a contribution.
    double Open() {
      double magnitude = 0;
      if (term->list.has_bounds()) {
        for (const PostingBound& b : term->list.bounds()) {
          highest = std::max(highest, term->scorer.Highest(b));
          magnitude = std::max(magnitude, term->scorer.Magnitude(b));
        }
        return magnitude;
      }
      Load();
      std::array<double, kBlockPostings> contributions;
      term->scorer.Score(postings, 0, postings.count, contributions.data());
      for (uint32_t i = 0; i < postings.count; ++i) {
        highest = std::max(highest, contributions[i]);
        magnitude = std::max(magnitude, std::abs(contributions[i]));
      }
      return magnitude;
    }
    bool at_end() const { return block >= term->list.blocks(); }
    void Load() {
      if (decoded == block) return;
      term->list.Decode(block, &postings);
      decoded = block;
      position = 0;
    }
    // A row below which there is no further posting.
    uint32_t NextRow() const {
      if (at_end()) return ~uint32_t{0};
      if (decoded == block) return postings.rows[position];
      return block == 0 ? 0 : term->list.last_row(block - 1) + 1;
    }
    // To the block that may hold `row`, without decoding.
    void SkipTo(uint32_t row) {
      if (at_end() || !term->list.has_bounds()) return;
      block = term->list.SeekBlock(row, block);
    }
    // To the first posting from `row` on. False at the end.
    bool Seek(uint32_t row) {
      SkipTo(row);
      if (at_end()) return false;
      Load();
      if (postings.rows[position] >= row) return true;
      position = static_cast<uint32_t>(
          std::lower_bound(postings.rows + position, postings.rows + postings.count, row) -
          postings.rows);
      if (position < postings.count) return true;
      NextBlock();
      if (at_end()) return false;
      Load();
      return true;
    }
    void NextBlock() {
      ++block;
      position = 0;
    }
    // Whether the row has the term; then its contribution. Rows must ascend from call to call.
    bool Lookup(uint32_t row, double* contribution) {
      if (!Seek(row) || postings.rows[position] != row) return false;
      *contribution = term->scorer.ScoreOne(row, postings.values[position]);
      return true;
    }
    // The highest contribution in rows [begin, end), at least 0. The cursor is at `begin` or
    // before.
    double HighestIn(uint32_t begin, uint32_t end) {
      SkipTo(begin);
      if (at_end()) return 0;
      if (!term->list.has_bounds()) return NextInBlock(begin) < end ? highest : 0;
      double most = 0;
      for (uint32_t b = block; b < term->list.blocks(); ++b) {
        if (b > 0 && term->list.last_row(b - 1) + 1 >= end) break;
        if (bound_block != b) {
          bound_block = b;
          bound = 0;
          for (const PostingBound& part : term->list.bounds(b))
            bound = std::max(bound, term->scorer.Highest(part));
        }
        most = std::max(most, bound);
        if (term->list.last_row(b) + 1 >= end) break;
      }
      return most;
    }
    // Of a list of one block.
    uint32_t NextInBlock(uint32_t row) {
      return Seek(row) ? postings.rows[position] : ~uint32_t{0};
    }
  };
  struct Ranked {
    double highest = 0;
    Cursor* cursor = nullptr;
  };
  struct HigherFirst {
    bool operator()(const Ranked& a, const Ranked& b) const {
      return a.highest != b.highest ? a.highest > b.highest : a.cursor < b.cursor;
    }
  };
  struct Candidate {
    uint32_t row = 0;
    double sum = 0;
  };

  float Threshold(const BestHits& best) const {
    return Scorer::kPositive ? std::max(best.threshold(), 0.0f) : best.threshold();
  }
  bool CannotBeat(double sum, float threshold) const {
    return static_cast<float>(sum + slack_) <= threshold;
  }
  bool IsAllowed(uint32_t row) const {
    return allowed_ == nullptr || (row < allowed_->size() && allowed_->Test(row));
  }

  bool PrefersAllowedRows() const {
    if (allowed_ == nullptr) return false;
    const auto count = static_cast<double>(allowed_->Count());
    double lookups = 0;
    double scan = 0;
    for (const Cursor& cursor : cursors_) {
      const PostingList& list = cursor.term->list;
      lookups += std::min<double>(count, list.blocks()) * kBlockCost + count * kLookupCost;
      scan += list.size() + list.blocks() * kBlockCost;
    }
    return lookups < scan;
  }

  // Term by term for each allowed row: the definition itself.
  absl::Status RunOverAllowed(const CancelToken& cancel, BestHits* best) {
    absl::Status status;
    size_t seen = 0;
    allowed_->ForEach([&](size_t bit) {
      if (!status.ok() || bit >= rows_) return;
      if (seen++ % kRowsPerCancelCheck == 0 && !(status = cancel.Check()).ok()) return;
      const auto row = static_cast<uint32_t>(bit);
      double sum = 0;
      bool found = false;
      for (Cursor& cursor : cursors_) {
        double contribution = 0;
        if (!cursor.Lookup(row, &contribution)) continue;
        sum += contribution;
        found = true;
        ++stats_.scored;
      }
      const auto score = static_cast<float>(sum);
      if (found && (!Scorer::kPositive || score > 0)) Offer(row, score, best);
    });
    return status;
  }

  void Offer(uint32_t row, float score, BestHits* best) {
    best->Offer({.row = RowId(first_row_.value + row), .score = score});
  }

  absl::Status RunOverWindows(const CancelToken& cancel, BestHits* best) {
    uint32_t begin = 0;
    for (size_t windows = 0;; ++windows) {
      if (windows % kWindowsPerCancelCheck == 0) {
        if (absl::Status status = cancel.Check(); !status.ok()) return status;
      }
      // Only terms that together could lift a row over the threshold bring new rows.
      const float threshold = Threshold(*best);
      double sum = 0;
      uint32_t next = ~uint32_t{0};
      for (size_t i = by_highest_.size(); i-- > 0;) {
        sum += by_highest_[i].highest;
        if (!CannotBeat(sum, threshold)) next = std::min(next, by_highest_[i].cursor->NextRow());
      }
      next = std::max(next, begin);
      if (next >= rows_) return absl::OkStatus();
      begin = next - next % kWindowRows;
      const uint32_t end = std::min(rows_ - begin, kWindowRows) + begin;
      if (HasAllowed(begin, end)) ScanWindow(begin, end, threshold, best);
      if (end == rows_) return absl::OkStatus();
      begin = end;
    }
  }

  bool HasAllowed(uint32_t begin, uint32_t end) const {
    if (allowed_ == nullptr) return true;
    const size_t words = (std::min<size_t>(end, allowed_->size()) + 63) / 64;
    for (size_t word = begin / 64; word < words; ++word) {
      if (allowed_->word(word) != 0) return true;
    }
    return false;
  }

  void ScanWindow(uint32_t begin, uint32_t end, float threshold, BestHits* best) {
    window_.clear();
    for (const Ranked& ranked : by_highest_) {
      const double highest = ranked.cursor->HighestIn(begin, end);
      if (highest > 0 || (!Scorer::kPositive && !ranked.cursor->at_end())) {
        window_.push_back({.highest = highest, .cursor = ranked.cursor});
      }
    }
    std::sort(window_.begin(), window_.end(), HigherFirst());
    // rest_[i] is the most that terms [i, end) can add.
    rest_.assign(window_.size() + 1, 0);
    for (size_t i = window_.size(); i-- > 0;) rest_[i] = rest_[i + 1] + window_[i].highest;
    if (CannotBeat(rest_[0], threshold)) return;
    ++stats_.windows;
    const bool dense = Scorer::kPositive && Expected(0) > kDenseShare * kWindowRows;
    // Terms [0, added) are added row by row; the others only to candidates.
    size_t added = 0;
    while (added < window_.size() && !CannotBeat(rest_[added], threshold)) {
      Add(*window_[added++].cursor, dense, begin, end);
    }
    // A term is looked up for candidates only where that is cheaper than to add it for all rows.
    // The count of candidates falls with each term added; it is taken again where it may decide,
    // and where there is more left to save than it costs.
    double remaining = Expected(added);
    for (double lookups = -1; dense && added < window_.size();) {
      const double expected = ExpectedOf(added);
      if (lookups < kRecountFactor * expected && remaining > kCountCost * kWindowRows) {
        lookups = kLookupCost * static_cast<double>(CountAbove(Cut(threshold, rest_[added])));
        if (lookups < expected) break;
      }
      remaining -= expected;
      Add(*window_[added++].cursor, dense, begin, end);
    }
    candidates_.clear();
    if (dense) {
      TakeAbove(begin, threshold, rest_[added]);
    } else {
      TakeTouched(begin, threshold, rest_[added]);
    }
    for (size_t i = added; i < window_.size() && !candidates_.empty(); ++i) {
      LookUp(*window_[i].cursor, threshold, rest_[i + 1]);
    }
    for (const Candidate& candidate : candidates_) Finish(candidate, best);
  }

  // About how many postings of the window's terms from `first` on lie in a window.
  double Expected(size_t first) const {
    double sum = 0;
    for (size_t i = first; i < window_.size(); ++i) sum += ExpectedOf(i);
    return sum;
  }
  double ExpectedOf(size_t i) const {
    return static_cast<double>(window_[i].cursor->term->list.size()) * kWindowRows / rows_;
  }

  void Add(Cursor& cursor, bool dense, uint32_t begin, uint32_t end) {
    if (dense) {
      AddTerm<false>(cursor, begin, end);
    } else {
      AddTerm<true>(cursor, begin, end);
    }
  }

  template <bool kTouch>
  void AddTerm(Cursor& cursor, uint32_t begin, uint32_t end) {
    std::array<double, kBlockPostings> contributions;
    if (!cursor.Seek(begin)) return;
    while (true) {
      const PostingBlock& block = cursor.postings;
      const uint32_t from = cursor.position;
      const uint32_t to =
          block.rows[block.count - 1] < end
              ? block.count
              : static_cast<uint32_t>(
                    std::lower_bound(block.rows + from, block.rows + block.count, end) -
                    block.rows);
      cursor.term->scorer.Score(block, from, to, contributions.data());
      for (uint32_t i = from; i < to; ++i) {
        const uint32_t slot = block.rows[i] - begin;
        sums_[slot] += contributions[i - from];
        if constexpr (kTouch) touched_[slot / 64] |= uint64_t{1} << (slot % 64);
      }
      stats_.scored += to - from;
      cursor.position = to;
      if (to < block.count) return;
      cursor.NextBlock();
      if (cursor.at_end()) return;
      cursor.Load();
    }
  }

  // A sum up to this cannot beat the threshold; twice the slack covers the rounding of this line.
  double Cut(float threshold, double rest) const {
    return std::max(0.0, static_cast<double>(threshold) - rest - 2 * slack_);
  }

  // Calls visit(word, bits) for each 64 rows of the window, with a bit for each sum over `cut`.
  template <typename Visit>
  void ForEachAbove(double cut, Visit visit) const {
    for (uint32_t word = 0; word < kWindowRows / 64; ++word) {
      const double* sums = sums_.data() + size_t{word} * 64;
      uint64_t bits = 0;
#if defined(__SSE2__)
      const __m128d limit = _mm_set1_pd(cut);
      __m128d any = _mm_setzero_pd();  // most often there is none
      for (uint32_t i = 0; i < 64; i += 2) {
        any = _mm_or_pd(any, _mm_cmpgt_pd(_mm_load_pd(sums + i), limit));
      }
      if (_mm_movemask_pd(any) == 0) continue;
      for (uint32_t i = 0; i < 64; i += 2) {
        bits |= static_cast<uint64_t>(_mm_movemask_pd(_mm_cmpgt_pd(_mm_load_pd(sums + i), limit)))
                << i;
      }
#else
      for (uint32_t i = 0; i < 64; ++i) bits |= uint64_t{sums[i] > cut} << i;
#endif
      visit(word, bits);
    }
  }

  size_t CountAbove(double cut) const {
#if defined(__SSE2__)
    const __m128d limit = _mm_set1_pd(cut);
    __m128i counts = _mm_setzero_si128();
    for (uint32_t i = 0; i < kWindowRows; i += 2) {
      const __m128d above = _mm_cmpgt_pd(_mm_load_pd(sums_.data() + i), limit);
      counts = _mm_sub_epi64(counts, _mm_castpd_si128(above));
    }
    return static_cast<size_t>(_mm_cvtsi128_si64(counts) +
                               _mm_cvtsi128_si64(_mm_unpackhi_epi64(counts, counts)));
#else
    size_t count = 0;
    ForEachAbove(
        cut, [&](uint32_t, uint64_t bits) { count += static_cast<size_t>(std::popcount(bits)); });
    return count;
#endif
  }

  // Candidates among all sums, for windows in which many rows have one.
  void TakeAbove(uint32_t begin, float threshold, double rest) {
    ForEachAbove(Cut(threshold, rest), [&](uint32_t word, uint64_t bits) {
      for (; bits != 0; bits &= bits - 1) {
        const uint32_t slot = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
        Consider(begin + slot, sums_[slot], threshold, rest);
      }
    });
    sums_.fill(0);
  }

  void TakeTouched(uint32_t begin, float threshold, double rest) {
    for (size_t word = 0; word < touched_.size(); ++word) {
      for (uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
        const uint32_t slot =
            static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(std::countr_zero(bits));
        Consider(begin + slot, sums_[slot], threshold, rest);
        sums_[slot] = 0;
      }
      touched_[word] = 0;
    }
  }

  void Consider(uint32_t row, double sum, float threshold, double rest) {
    if (!CannotBeat(sum + rest, threshold) && IsAllowed(row))
      candidates_.push_back({.row = row, .sum = sum});
  }

  // Adds a term to the candidates that have it, and drops those that can no longer beat the
  // threshold.
  void LookUp(Cursor& cursor, float threshold, double rest) {
    size_t kept = 0;
    for (Candidate& candidate : candidates_) {
      double contribution = 0;
      if (cursor.Lookup(candidate.row, &contribution)) {
        candidate.sum += contribution;
        ++stats_.scored;
      }
      if (!CannotBeat(candidate.sum + rest, threshold)) candidates_[kept++] = candidate;
    }
    candidates_.resize(kept);
  }

  void Finish(const Candidate& candidate, BestHits* best) {
    if (CannotBeat(candidate.sum, Threshold(*best))) return;
    auto score = static_cast<float>(candidate.sum - slack_);
    if (score != static_cast<float>(candidate.sum + slack_)) score = DefinedScore(candidate.row);
    if (!Scorer::kPositive || score > 0) Offer(candidate.row, score, best);
  }

  float DefinedScore(uint32_t row) const {
    double sum = 0;
    for (const Cursor& cursor : cursors_) {
      const std::optional<uint32_t> value = cursor.term->list.Find(row);
      if (value) sum += cursor.term->scorer.ScoreOne(row, *value);
    }
    return static_cast<float>(sum);
  }

  static constexpr double kDenseShare =
      0.125;  // sums of a window that are looked at one by one rather than marked

  const RowId first_row_;
  const uint32_t rows_;
  const Bitmap* const allowed_;
  std::vector<Cursor> cursors_;     // in the defined order
  std::vector<Ranked> by_highest_;  // of whole lists
  double slack_ = 0;
  RankedScanStats stats_;

  std::vector<Ranked> window_;
  std::vector<double> rest_;
  std::vector<Candidate> candidates_;
  alignas(16) std::array<double, kWindowRows> sums_{};
  std::array<uint64_t, kWindowRows / 64> touched_{};
};

}  // namespace vouch
