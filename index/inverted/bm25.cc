#include "index/inverted/bm25.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace vouch {
namespace {

// Rows are scored in windows of so many, whose sums stay in the processor's first cache.
constexpr uint32_t kWindowRows = 2048;
constexpr uint32_t kMemoLengths = 512;
constexpr size_t kWindowsPerCancelCheck = 16;

bool IsSet(const Bitmap* bitmap, uint32_t row) {
  return bitmap == nullptr || (row < bitmap->size() && bitmap->Test(row));
}

// The one formula behind scores and their explanation; the order of operations is that of bm25.h.
class TermScorer {
 public:
  TermScorer(const Bm25Params& params, double average_length)
      : k1_(params.k1), b_(params.b), average_length_(average_length) {
    for (uint32_t length = 0; length < kMemoLengths; ++length) norms_[length] = MakeNorm(length);
  }

  double Score(const TermStatistics& term, uint32_t frequency, uint32_t length) const {
    const double norm = length < kMemoLengths ? norms_[length] : MakeNorm(length);
    const double tf = static_cast<double>(frequency);
    return static_cast<double>(term.query_frequency) * term.idf * tf * (k1_ + 1) / (tf + norm);
  }

 private:
  double MakeNorm(uint32_t length) const {
    return k1_ * (1 - b_ + b_ * static_cast<double>(length) / average_length_);
  }

  double k1_;
  double b_;
  double average_length_;
  std::array<double, kMemoLengths> norms_;
};

// The best k hits so far, the worst of them on top of a heap.
class TopHits {
 public:
  explicit TopHits(size_t k) : k_(k) {}

  void Offer(const Hit& hit) {
    if (hits_.size() < k_) {
      hits_.push_back(hit);
      std::push_heap(hits_.begin(), hits_.end());
    } else if (hit < hits_.front()) {
      std::pop_heap(hits_.begin(), hits_.end());
      hits_.back() = hit;
      std::push_heap(hits_.begin(), hits_.end());
    }
  }
  std::vector<Hit> Take() && {
    std::sort_heap(hits_.begin(), hits_.end());
    return std::move(hits_);
  }

 private:
  size_t k_;
  std::vector<Hit> hits_;
};

// Scores one segment: in each window of rows, term after term adds to the rows' sums, so that every
// sum is made in ascending order of terms.
class SegmentScan {
 public:
  SegmentScan(const TextSegment& segment, const TextStatistics& statistics,
              const TermScorer& scorer)
      : segment_(segment),
        allowed_(segment.allowed != nullptr ? segment.allowed : segment.visible),
        lengths_(segment.index->lengths()),
        scorer_(scorer) {
    for (const TermStatistics& term : statistics.terms) {
      if (term.document_frequency == 0) continue;
      const std::span<const Posting> postings = segment.index->postings(term.term);
      if (!postings.empty()) cursors_.push_back({&term, postings});
    }
  }

  absl::Status Run(const CancelToken& cancel, TopHits* top) {
    for (size_t windows = 0; !cursors_.empty(); ++windows) {
      if (windows % kWindowsPerCancelCheck == 0) {
        if (absl::Status status = cancel.Check(); !status.ok()) return status;
      }
      uint32_t first = ~uint32_t{0};
      for (const Cursor& cursor : cursors_) first = std::min(first, cursor.postings.front().row);
      ScanWindow(first - first % kWindowRows, top);
    }
    return absl::OkStatus();
  }

 private:
  struct Cursor {
    const TermStatistics* term;
    std::span<const Posting> postings;  // those not yet scored
  };

  void ScanWindow(uint32_t begin, TopHits* top) {
    for (Cursor& cursor : cursors_) {
      size_t used = 0;
      while (used < cursor.postings.size()) {
        const Posting& posting = cursor.postings[used];
        const uint32_t slot = posting.row - begin;
        if (slot >= kWindowRows) break;
        touched_[slot / 64] |= uint64_t{1} << (slot % 64);
        sums_[slot] += scorer_.Score(*cursor.term, posting.frequency, lengths_[posting.row]);
        ++used;
      }
      cursor.postings = cursor.postings.subspan(used);
    }
    std::erase_if(cursors_, [](const Cursor& cursor) { return cursor.postings.empty(); });
    for (size_t word = 0; word < touched_.size(); ++word) {
      for (uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
        const uint32_t slot = static_cast<uint32_t>(word * 64) + std::countr_zero(bits);
        const float score = static_cast<float>(sums_[slot]);
        sums_[slot] = 0;
        if (score > 0 && IsSet(allowed_, begin + slot)) {
          top->Offer({.row = RowId(segment_.first_row.value + begin + slot), .score = score});
        }
      }
      touched_[word] = 0;
    }
  }

  const TextSegment& segment_;
  const Bitmap* allowed_;
  std::span<const uint32_t> lengths_;
  const TermScorer& scorer_;
  std::vector<Cursor> cursors_;  // ascending by term
  std::array<double, kWindowRows> sums_{};
  std::array<uint64_t, kWindowRows / 64> touched_{};
};

struct LengthSum {
  uint64_t rows = 0;  // with text
  uint64_t length = 0;
};

LengthSum SumLengths(const TextIndex& index, const Bitmap& rows) {
  const std::span<const uint32_t> lengths = index.lengths();
  LengthSum sum;
  rows.ForEach([&](size_t row) {
    if (row >= lengths.size()) return;
    sum.length += lengths[row];
    sum.rows += lengths[row] > 0 ? 1 : 0;
  });
  return sum;
}

// Walks the smaller of the visible and the hidden rows.
LengthSum SumVisibleLengths(const TextSegment& segment) {
  const TextIndex& index = *segment.index;
  const LengthSum all{.rows = index.rows_with_text(), .length = index.total_length()};
  if (segment.visible == nullptr) return all;
  if (segment.visible->size() != index.rows() || segment.visible->Count() <= index.rows() / 2) {
    return SumLengths(index, *segment.visible);
  }
  Bitmap hidden_rows = *segment.visible;
  hidden_rows.Invert();
  const LengthSum hidden = SumLengths(index, hidden_rows);
  return {.rows = all.rows - hidden.rows, .length = all.length - hidden.length};
}

uint64_t CountVisible(std::span<const Posting> postings, const Bitmap* visible) {
  if (visible == nullptr) return postings.size();
  return static_cast<uint64_t>(
      std::count_if(postings.begin(), postings.end(),
                    [&](const Posting& posting) { return IsSet(visible, posting.row); }));
}

}  // namespace

TextStatistics CollectTextStatistics(std::span<const TextSegment> segments,
                                     const AnalyzedText& query) {
  TextStatistics statistics;
  uint64_t total_length = 0;
  for (const TextSegment& segment : segments) {
    const LengthSum sum = SumVisibleLengths(segment);
    statistics.documents += sum.rows;
    total_length += sum.length;
  }
  const double documents = static_cast<double>(statistics.documents);
  if (statistics.documents > 0) {
    statistics.average_length = static_cast<double>(total_length) / documents;
  }
  for (const AnalyzedText::Term& term : query.terms) {
    TermStatistics entry{.term = term.term, .query_frequency = term.frequency};
    for (const TextSegment& segment : segments) {
      entry.document_frequency += CountVisible(segment.index->postings(term.term), segment.visible);
    }
    const double df = static_cast<double>(entry.document_frequency);
    entry.idf = std::log(1 + (documents - df + 0.5) / (df + 0.5));
    statistics.terms.push_back(std::move(entry));
  }
  return statistics;
}

absl::StatusOr<std::vector<Hit>> SearchBm25(std::span<const TextSegment> segments,
                                            const TextStatistics& statistics,
                                            const Bm25Params& params, size_t k,
                                            const CancelToken& cancel) {
  if (k == 0 || statistics.documents == 0) return std::vector<Hit>();
  const TermScorer scorer(params, statistics.average_length);
  TopHits top(k);
  for (const TextSegment& segment : segments) {
    SegmentScan scan(segment, statistics, scorer);
    if (absl::Status status = scan.Run(cancel, &top); !status.ok()) return status;
  }
  return std::move(top).Take();
}

std::vector<TermContribution> ExplainBm25(const TextIndex& index, uint32_t row,
                                          const TextStatistics& statistics,
                                          const Bm25Params& params) {
  std::vector<TermContribution> contributions;
  if (row >= index.rows() || statistics.documents == 0) return contributions;
  const TermScorer scorer(params, statistics.average_length);
  for (const TermStatistics& term : statistics.terms) {
    const std::span<const Posting> postings = index.postings(term.term);
    const auto at = std::lower_bound(
        postings.begin(), postings.end(), row,
        [](const Posting& posting, uint32_t wanted) { return posting.row < wanted; });
    if (at == postings.end() || at->row != row || term.document_frequency == 0) continue;
    contributions.push_back({.term = term.term,
                             .frequency = at->frequency,
                             .document_frequency = term.document_frequency,
                             .idf = term.idf,
                             .score = scorer.Score(term, at->frequency, index.length(row))});
  }
  return contributions;
}

}  // namespace vouch
