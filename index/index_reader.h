#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "index/cancel.h"
#include "index/hit.h"
#include "index/inverted/bm25.h"
#include "index/inverted/sparse_search.h"
#include "index/inverted/text_expansion.h"
#include "index/inverted/text_expression.h"
#include "index/multi/max_sim.h"
#include "index/payload/filter.h"
#include "index/payload/payload_columns.h"
#include "storage/ids.h"
#include "storage/point_id.h"
#include "storage/principal.h"

namespace vouch {

class Analyzer;
class SegmentSet;

// Which rows may be hits of one request: visible at the version, seen by the principal, meeting the filter. Made once
// per request and shared by its leaves.
struct RowMask {
  struct SegmentMask {
    // null: all rows of the segment are visible at the version
    std::shared_ptr<const Bitmap> visible = {};
    std::shared_ptr<const Bitmap> allowed = {};  // null: as `visible`
    uint64_t visible_count = 0;
    uint64_t allowed_count = 0;

    const Bitmap* visible_or_null() const { return visible.get(); }
    const Bitmap* allowed_or_null() const { return allowed ? allowed.get() : visible_or_null(); }
  };
  std::vector<SegmentMask> segments = {};  // in the snapshot's order
  uint64_t visible_count = 0;
  uint64_t allowed_count = 0;
};

// Bounds of RowMask's allowed counts, known before a mask is made.
struct AllowedEstimate {
  struct Bounds {
    uint64_t lower = 0;
    uint64_t upper = 0;
  };
  std::vector<Bounds> segments = {};  // in the snapshot's order
  Bounds total = {};
};

struct DenseQuery {
  int field = 0;                  // ordinal in the schema
  std::span<const float> vector = {};  // `dim` finite floats; under cosine normalised here
  size_t k = 10;
  int ef_search = 0;   // 0: what the field's recall target takes in each segment; else the schema's
  bool exact = false;  // scan all allowed rows
  bool background = false;  // nobody waits for it: a device does it only while it has nothing else to do
};

// An order of rows by a payload field; see OrderKey in index/payload/column_order.h.
struct PayloadOrder {
  int field = 0;  // ordinal in the schema
  bool descending = false;
};

// A value of a payload field, and how many rows have it.
struct ValueCount {
  PayloadValue value = {};
  uint64_t rows = 0;
};

// What one leaf did, for explain.
struct SearchStats {
  uint64_t segments = 0;
  uint64_t segments_exact = 0;      // of these, scanned exactly
  uint64_t distances = 0;           // distance computations
  uint64_t rows_visited = 0;        // rows or postings looked at
  std::string plan = {};  // for people: "graph ef=100 on 1 segment, exact on 3 (fresh rows)"
  // The part of the k nearest allowed rows that is to be expected, by what was measured when the segments were built; 1
  // where all was exact, -1 where some of it was not and has not been measured.
  double recall_estimate = -1;
};

// One immutable snapshot read at one version. Copyable, cheap, thread safe; keeps its segments alive.
//
// Scores: dense scores are computed in one defined order of float operations (index/dense/kernels.h), so that every
// processor and any number of threads give the same bits; results are in the total order of Hit.
class IndexReader {
 public:
  // `hold`, which may be null, lives as long as the reader and its copies: what keeps the version's rows in the store.
  IndexReader(std::shared_ptr<const SegmentSet> segments, Version at, uint64_t rows_at,
              std::shared_ptr<const void> hold = nullptr);

  Version at() const { return at_; }

  // `filter` may be null and must be validated. Looks at cancel between segments.
  absl::StatusOr<RowMask> MakeMask(const Filter* filter, const Principal& principal, const CancelToken& cancel) const;

  // As MakeMask for one who sees every row: for what the engine does by itself.
  absl::StatusOr<RowMask> MakeMaskOfAll(const Filter* filter, const CancelToken& cancel) const;

  // At least and at most how many rows MakeMask would allow, from the payload indexes alone: no row is looked at.
  AllowedEstimate EstimateAllowed(const Filter* filter, const Principal& principal) const;

  // At most k hits. Rows without a vector in the field are no hits. A zero query vector under cosine is INVALID_ARGUMENT.
  absl::StatusOr<std::vector<Hit>> SearchDense(const DenseQuery& query, const RowMask& mask, const CancelToken& cancel,
                                               SearchStats* stats) const;
  // The exact top k by BM25 of the field's text.
  absl::StatusOr<std::vector<Hit>> SearchText(int field, std::string_view text, size_t k, const RowMask& mask,
                                              const CancelToken& cancel, SearchStats* stats) const;
  // The same by weighted terms, ascending by bytes, each once.
  absl::StatusOr<std::vector<Hit>> SearchTerms(int field, std::span<const WeightedTerm> terms,
                                               size_t k, const RowMask& mask,
                                               const CancelToken& cancel, SearchStats* stats) const;
  // The exact top k by an expression (index/inverted/text_expression.h).
  absl::StatusOr<std::vector<Hit>> SearchExpression(const TextExpression& expression, size_t k,
                                                    const RowMask& mask, const CancelToken& cancel,
                                                    SearchStats* stats) const;
  // The scores that SearchTerms gives to these rows, in their order; 0: the row has none of the
  // terms. Statistics are collected once; the rest costs by the lengths of the rows' texts.
  absl::StatusOr<std::vector<float>> ScoreTerms(int field, std::span<const WeightedTerm> terms,
                                                std::span<const RowId> rows, const RowMask& mask,
                                                const CancelToken& cancel) const;
  // What the terms gave to a row's score; where the row is no match, what it lacks (see
  // PreparedText::Unmet).
  struct TextAccount {
    std::vector<TermContribution> shares = {};
    std::string unmet = {};
  };
  // Of each of the rows, in their order. Statistics are collected once.
  absl::StatusOr<std::vector<TextAccount>> ExplainExpression(const TextExpression& expression,
                                                             std::span<const RowId> rows,
                                                             const RowMask& mask,
                                                             const CancelToken& cancel) const;
  // See index/inverted/text_expansion.h; over the visible rows of all the fields.
  absl::StatusOr<std::vector<ExpandedTerm>> ExpandPrefix(std::span<const TextFieldWeight> fields,
                                                         std::string_view prefix,
                                                         std::string_view own, const RowMask& mask,
                                                         const CancelToken& cancel) const;
  absl::StatusOr<std::vector<ExpandedTerm>> ExpandFuzzy(std::span<const TextFieldWeight> fields,
                                                        std::string_view word, uint32_t edits,
                                                        uint32_t prefix_length, const RowMask& mask,
                                                        const CancelToken& cancel) const;
  // A text as the field's analyzer sees it, and the text that a row has in the field, from the
  // index.
  absl::StatusOr<AnalyzedText> AnalyzeText(int field, std::string_view text) const;
  absl::StatusOr<AnalyzedText> ReadText(int field, RowId row) const;

  // The exact top k by the inner product with the field's vectors. `query` as CheckSparseVector
  // takes it, in any order.
  absl::StatusOr<std::vector<Hit>> SearchSparse(int field, const SparseVector& query, size_t k,
                                                const RowMask& mask, const CancelToken& cancel,
                                                SearchStats* stats) const;

  // The exact top k by MaxSim (index/multi/max_sim.h) of the allowed rows that have tokens in the field. `query`: the
  // field's dimension, 1 to Limits::kMaxTokens tokens of finite values; under cosine normalised here, and none of them zero.
  // Looks at cancel every few million multiplications.
  absl::StatusOr<std::vector<Hit>> SearchMultiVector(int field, const MultiVector& query, size_t k, const RowMask& mask,
                                                     const CancelToken& cancel, SearchStats* stats) const;
  // The same scores, of rows below rows_at in any order; nullopt where a row has no tokens in the field.
  absl::StatusOr<std::vector<std::optional<float>>> ScoreMultiVector(int field, const MultiVector& query,
                                                                     std::span<const RowId> rows,
                                                                     const CancelToken& cancel, SearchStats* stats) const;
  // What each query token gave to the row's score; none where it has no tokens.
  absl::StatusOr<std::vector<TokenMatch>> ExplainMultiVector(int field, const MultiVector& query, RowId row) const;
  bool HasMultiVector(int field, RowId row) const;

  // Exact score of one row; nullopt where it has no such vector.
  absl::StatusOr<std::optional<float>> ScoreDense(const DenseQuery& query, RowId row) const;
  // Each matching term's share of the BM25 score of each of the rows, in their order. Statistics are
  // collected once.
  absl::StatusOr<std::vector<std::vector<TermContribution>>> ExplainTerms(
      int field, std::span<const WeightedTerm> terms, std::span<const RowId> rows,
      const RowMask& mask, const CancelToken& cancel) const;

  // Each index's share of the row's score.
  absl::StatusOr<std::vector<SparseContribution>> ExplainSparse(int field,
                                                                const SparseVector& query,
                                                                RowId row) const;

  // The point id of a row below rows_at; kept in memory.
  PointId IdOf(RowId row) const;
  bool IsVisible(RowId row, const RowMask& mask) const;
  bool IsAllowed(RowId row, const RowMask& mask) const;
  // Allowed rows after `after` (kNoRow: from the start) in row order, at most `limit`.
  std::vector<RowId> ScrollRows(const RowMask& mask, RowId after, size_t limit) const;
  // The first `limit` allowed rows of the order that come after the row `after` (kNoRow: from the
  // start).
  absl::StatusOr<std::vector<RowId>> OrderRows(const PayloadOrder& order, const RowMask& mask,
                                               RowId after, size_t limit,
                                               const CancelToken& cancel) const;
  // The first `limit` values of a row, in the order of its payload; none for a row that is not below
  // rows_at.
  std::vector<PayloadValue> PayloadOf(int field, RowId row,
                                      size_t limit = ~size_t{0}) const;
  // All values that an allowed row has, ascending; a row counts once for each of its distinct
  // values. Over `max_values` values are RESOURCE_EXHAUSTED.
  absl::StatusOr<std::vector<ValueCount>> CountValues(int field, const RowMask& mask,
                                                      size_t max_values,
                                                      const CancelToken& cancel) const;
  // `count` of the allowed rows (all, where there are not more), spread evenly over them, ascending:
  // the same ones however segments lie.
  std::vector<RowId> SampleRows(const RowMask& mask, size_t count) const;
  // Writes the row's vector, as it is kept (normalised under cosine), to `out`, which has the
  // field's dimension. False where it has none.
  absl::StatusOr<bool> ReadVector(int field, RowId row, std::span<float> out) const;
  // The analyzer of a text field.
  const Analyzer& AnalyzerOf(int field) const;
  // One id for the set of index files and fresh rows behind this reader, for the answer record.
  std::vector<std::string> BuildIds() const;

 private:
  // Null `principal`: sees every row.
  absl::StatusOr<RowMask> MakeMaskFor(const Filter* filter, const Principal* principal, const CancelToken& cancel) const;

  std::shared_ptr<const SegmentSet> segments_;
  Version at_;
  uint64_t rows_at_ = 0;
  std::shared_ptr<const void> hold_;
};

}  // namespace vouch
