#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/hit.h"
#include "index/inverted/text_index.h"

namespace vouch {

struct RankedScanStats;

// One segment as a search sees it. `visible`: the rows of the collection at the version read; `allowed`: of these, the
// rows that may be hits. Null stands for all.
struct TextSegment {
  const TextIndex* index = nullptr;
  RowId first_row = {};
  const Bitmap* visible = nullptr;
  const Bitmap* allowed = nullptr;
};

struct Bm25Params {
  double k1 = 1.2;
  double b = 0.75;
};

// A term of a query and how often it counts: its frequency in a text, or the weight that feedback
// gives it. Over 0, finite.
struct WeightedTerm {
  std::string term = {};
  double weight = 0;
  friend bool operator==(const WeightedTerm&, const WeightedTerm&) = default;
};
// The terms of a text, weighted by their frequencies.
std::vector<WeightedTerm> WeightedTermsOf(const AnalyzedText& text);

// A query term's statistics over the visible rows of all segments, and its idf.
struct TermStatistics {
  std::string term = {};
  double query_weight = 0;
  uint64_t document_frequency = 0;
  double idf = 0;
};

struct TextStatistics {
  uint64_t documents = 0;  // visible rows with text
  double average_length = 0;
  std::vector<TermStatistics> terms = {};  // ascending by term; those no visible row has included
};

// Visible rows with text, and the sum of their lengths.
struct VisibleLengths {
  uint64_t rows = 0;
  uint64_t length = 0;
};
VisibleLengths SumVisibleLengths(const TextSegment& segment);
// How many of a list's rows are visible; null: all.
uint64_t CountVisible(const PostingList& list, const Bitmap* visible);
// ln(1 + (N − df + 0.5) / (df + 0.5))
double Bm25Idf(uint64_t documents, uint64_t document_frequency);

// Statistics come from all visible rows of the snapshot, so that scores depend neither on how
// segments lie nor on the filter. `query` ascends by term bytes, each once.
TextStatistics CollectTextStatistics(std::span<const TextSegment> segments,
                                     std::span<const WeightedTerm> query);
TextStatistics CollectTextStatistics(std::span<const TextSegment> segments, const AnalyzedText& query);

// score = Σ over terms, ascending by term bytes, in double: query_weight · idf · tf · (k1 + 1) /
// (tf + k1 · (1 − b + b · length / average_length)), idf = ln(1 + (N − df + 0.5) / (df + 0.5))
// (Robertson and Zaragoza 2009, with Lucene's idf, which is never negative); then rounded once to
// float. The exact `k` best of the allowed rows with score > 0, by (score descending, row
// ascending). Segments ascend by row.
absl::StatusOr<std::vector<Hit>> SearchBm25(std::span<const TextSegment> segments, const TextStatistics& statistics,
                                            const Bm25Params& params, size_t k, const CancelToken& cancel,
                                            RankedScanStats* stats = nullptr);

struct TermContribution {
  std::string term = {};
  uint32_t frequency = 0;
  uint64_t document_frequency = 0;
  double query_weight = 1;
  double idf = 0;
  double score = 0;  // the contributions add up to the hit's score
  // Of a leaf with a clause or several fields: the text field, and the word, phrase, prefix or fuzzy
  // word that the term stands for.
  std::string field = {};
  std::string asked = {};
};

}  // namespace vouch
