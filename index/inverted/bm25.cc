#include "index/inverted/bm25.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "index/inverted/bm25_kernel.h"
#include "index/inverted/ranked_scan.h"

namespace vouch {
namespace {

bool IsSet(const Bitmap* bitmap, uint32_t row) {
  return bitmap == nullptr || (row < bitmap->size() && bitmap->Test(row));
}

// The norms of short texts.
std::vector<double> MakeNorms(const Bm25Params& params, double average_length) {
  const Bm25TermKernel kernel{.k1 = params.k1, .b = params.b, .average_length = average_length};
  std::vector<double> norms(Bm25TermKernel::kTableLengths);
  for (uint32_t length = 0; length < norms.size(); ++length) norms[length] = kernel.Norm(length);
  return norms;
}

// What RankedScan asks of a term; `norms` must outlive it.
class TermScorer {
 public:
  static constexpr bool kPositive = true;  // idf and frequencies are
  static constexpr uint32_t kWindowRows = 1024;

  TermScorer(const TermStatistics& term, const Bm25Params& params, double average_length,
             const std::vector<double>& norms, std::span<const uint32_t> lengths)
      : kernel_{.lengths = lengths.data(),
                .norms = norms.data(),
                .k1 = params.k1,
                .b = params.b,
                .average_length = average_length,
                .weight = term.query_weight * term.idf},
        score_(BestBm25Kernel()) {}

  void Score(const PostingBlock& block, uint32_t from, uint32_t to, double* out) const {
    score_(kernel_, block.rows + from, block.values + from, to - from, out);
  }
  double ScoreOne(uint32_t row, uint32_t frequency) const {
    return kernel_.Of(frequency, kernel_.lengths[row]);
  }
  // More of a frequency and less of a length is more of a score; each of the formula's operations
  // may round that away by half a unit in the last place, which the factor makes good.
  double Highest(const PostingBound& bound) const {
    return kernel_.Of(bound.a, bound.b) * (1 + 0x1p-48);
  }
  double Magnitude(const PostingBound& bound) const { return Highest(bound); }

 private:
  Bm25TermKernel kernel_;
  Bm25Kernel score_;
};

VisibleLengths SumLengths(const TextIndex& index, const Bitmap& rows) {
  const std::span<const uint32_t> lengths = index.lengths();
  VisibleLengths sum;
  rows.ForEach([&](size_t row) {
    if (row >= lengths.size()) return;
    sum.length += lengths[row];
    sum.rows += lengths[row] > 0 ? 1 : 0;
  });
  return sum;
}

}  // namespace

// Walks the smaller of the visible and the hidden rows.
VisibleLengths SumVisibleLengths(const TextSegment& segment) {
  const TextIndex& index = *segment.index;
  const VisibleLengths all{.rows = index.rows_with_text(), .length = index.total_length()};
  if (segment.visible == nullptr) return all;
  if (segment.visible->size() != index.rows() || segment.visible->Count() <= index.rows() / 2) {
    return SumLengths(index, *segment.visible);
  }
  Bitmap hidden_rows = *segment.visible;
  hidden_rows.Invert();
  const VisibleLengths hidden = SumLengths(index, hidden_rows);
  return {.rows = all.rows - hidden.rows, .length = all.length - hidden.length};
}

// Decodes only blocks with hidden rows in their range.
uint64_t CountVisible(const PostingList& list, const Bitmap* visible) {
  if (visible == nullptr || list.empty()) return list.size();
  const auto all_visible = [&](uint32_t begin, uint32_t end) {
    if (end > visible->size()) return false;
    for (size_t word = begin / 64; word < (size_t{end} + 63) / 64; ++word) {
      uint64_t wanted = ~uint64_t{0};
      if (word == begin / 64) wanted &= ~uint64_t{0} << (begin % 64);
      if (word == end / 64) wanted &= (uint64_t{1} << (end % 64)) - 1;
      if ((visible->word(word) & wanted) != wanted) return false;
    }
    return true;
  };
  uint64_t count = 0;
  PostingBlock block;
  for (uint32_t b = 0; b < list.blocks(); ++b) {
    if (list.has_bounds() &&
        all_visible(b == 0 ? 0 : list.last_row(b - 1) + 1, list.last_row(b) + 1)) {
      count += std::min<uint64_t>(kBlockPostings, list.size() - b * kBlockPostings);
      continue;
    }
    list.Decode(b, &block);
    for (uint32_t i = 0; i < block.count; ++i) count += IsSet(visible, block.rows[i]) ? 1 : 0;
  }
  return count;
}

double Bm25Idf(uint64_t documents, uint64_t document_frequency) {
  const auto n = static_cast<double>(documents);
  const auto df = static_cast<double>(document_frequency);
  return std::log(1 + (n - df + 0.5) / (df + 0.5));
}

std::vector<WeightedTerm> WeightedTermsOf(const AnalyzedText& text) {
  std::vector<WeightedTerm> terms;
  terms.reserve(text.terms.size());
  for (const AnalyzedText::Term& term : text.terms) {
    terms.push_back({term.term, static_cast<double>(term.frequency)});
  }
  return terms;
}

TextStatistics CollectTextStatistics(std::span<const TextSegment> segments,
                                     const AnalyzedText& query) {
  return CollectTextStatistics(segments, WeightedTermsOf(query));
}

TextStatistics CollectTextStatistics(std::span<const TextSegment> segments,
                                     std::span<const WeightedTerm> query) {
  TextStatistics statistics;
  uint64_t total_length = 0;
  for (const TextSegment& segment : segments) {
    const VisibleLengths sum = SumVisibleLengths(segment);
    statistics.documents += sum.rows;
    total_length += sum.length;
  }
  const double documents = static_cast<double>(statistics.documents);
  if (statistics.documents > 0) {
    statistics.average_length = static_cast<double>(total_length) / documents;
  }
  for (const WeightedTerm& term : query) {
    TermStatistics entry{.term = term.term, .query_weight = term.weight};
    for (const TextSegment& segment : segments) {
      entry.document_frequency += CountVisible(segment.index->postings(term.term), segment.visible);
    }
    entry.idf = Bm25Idf(statistics.documents, entry.document_frequency);
    statistics.terms.push_back(std::move(entry));
  }
  return statistics;
}

absl::StatusOr<std::vector<Hit>> SearchBm25(std::span<const TextSegment> segments,
                                            const TextStatistics& statistics,
                                            const Bm25Params& params, size_t k,
                                            const CancelToken& cancel, RankedScanStats* stats) {
  if (k == 0 || statistics.documents == 0) return std::vector<Hit>();
  const std::vector<double> norms = MakeNorms(params, statistics.average_length);
  BestHits best(k);
  for (const TextSegment& segment : segments) {
    std::vector<ScanTerm<TermScorer>> terms;
    for (const TermStatistics& term : statistics.terms) {
      if (term.document_frequency == 0) continue;
      const PostingList list = segment.index->postings(term.term);
      if (!list.empty())
        terms.push_back({list, TermScorer(term, params, statistics.average_length, norms,
                                          segment.index->lengths())});
    }
    RankedScan<TermScorer> scan(terms, segment.first_row, segment.index->rows(),
                                segment.allowed != nullptr ? segment.allowed : segment.visible);
    if (absl::Status status = scan.Run(cancel, &best, stats); !status.ok()) return status;
  }
  return std::move(best).Take();
}

}  // namespace vouch
