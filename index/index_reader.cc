#include "index/index_reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/dense_search.h"
#include "index/dense/kernels.h"
#include "index/dense/vector_reader.h"
#include "index/inverted/ranked_scan.h"
#include "index/payload/compiled_filter.h"
#include "index/payload/value_index.h"
#include "index/prepared_rows.h"
#include "index/segment_set.h"

namespace vouch {
namespace {

absl::Status CheckMask(const SegmentSet& set, const RowMask& mask) {
  if (mask.segments.size() == set.segments.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the row mask has ", mask.segments.size(), " segments and the reader ",
                                                 set.segments.size(), ": it was made by another reader"));
}

// The query vector as the kernels take it.
absl::StatusOr<std::vector<float>> PrepareQuery(const IndexSchema& schema, const DenseQuery& query) {
  if (query.field < 0 || static_cast<size_t>(query.field) >= schema.schema.dense.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("dense field ", query.field, " of ", schema.schema.dense.size(), " does not exist"));
  }
  const DenseField& field = schema.schema.dense[static_cast<size_t>(query.field)];
  if (query.vector.size() != field.dim) {
    return absl::InvalidArgumentError(absl::StrCat("field '", field.name, "' has dimension ", field.dim,
                                                   "; the query vector has ", query.vector.size(), " values"));
  }
  for (size_t i = 0; i < query.vector.size(); ++i) {
    if (!std::isfinite(query.vector[i])) {
      return absl::InvalidArgumentError(absl::StrCat("query value ", i, " is not finite"));
    }
  }
  std::vector<float> vector(query.vector.begin(), query.vector.end());
  if (field.metric == Metric::kCosine && !NormalizeVector(vector)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the query vector for field '", field.name, "' is zero, which has no cosine"));
  }
  return vector;
}

// Counts how segments were searched, for the plan's words.
struct PlanCounts {
  uint64_t walked = 0;
  uint64_t fresh = 0;
  uint64_t asked = 0;
  uint64_t flat = 0;
  uint64_t filtered = 0;
  uint64_t by_code = 0;
  uint64_t fresh_by_code = 0;
  uint64_t by_cell = 0;
  size_t min_ef = 0;
  size_t max_ef = 0;

  void Add(const Segment& segment, bool has_graph, bool asked_exact, const DenseSegmentStats& done) {
    if (done.exact) {
      ++(asked_exact ? asked : !segment.sealed ? fresh : has_graph ? filtered : flat);
      return;
    }
    if (done.cells) {
      ++by_cell;
      return;
    }
    if (done.codes) {
      ++(segment.sealed ? by_code : fresh_by_code);
      return;
    }
    if (done.ef == 0) return;
    min_ef = walked == 0 ? done.ef : std::min(min_ef, done.ef);
    max_ef = std::max(max_ef, done.ef);
    ++walked;
  }
  std::string Words() const {
    std::string words;
    if (walked > 0) {
      absl::StrAppend(&words, "graph ef=", min_ef);
      if (max_ef != min_ef) absl::StrAppend(&words, "..", max_ef);
      absl::StrAppend(&words, " on ", walked, walked == 1 ? " segment" : " segments");
    }
    if (by_cell > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "nearest cells on ", by_cell, " (filter)");
    }
    if (by_code > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "all codes on ", by_code, " (few rows allowed)");
    }
    if (fresh_by_code > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "all codes on ", fresh_by_code, " (fresh rows)");
    }
    AddExact(asked, "on request", words);
    AddExact(fresh, "fresh rows", words);
    AddExact(flat, "no graph", words);
    AddExact(filtered, "few rows allowed", words);
    return words.empty() ? "nothing to search" : words;
  }

 private:
  static void AddExact(uint64_t count, const char* why, std::string& words) {
    if (count == 0) return;
    absl::StrAppend(&words, words.empty() ? "" : ", ", "exact on ", count, " (", why, ")");
  }
};

// The beam to begin with in a segment that has so many of the allowed rows: twice its share of `ef`, as the best rows lie in it
// in that proportion if nothing else is known, and more than k so that a walk does not end before those few that it may have.
size_t FirstEf(size_t ef, size_t k, uint64_t allowed, uint64_t allowed_in_all) {
  const double share = static_cast<double>(allowed) / static_cast<double>(allowed_in_all);
  return std::max(2 * k + k / 2, static_cast<size_t>(std::ceil(2.0 * static_cast<double>(ef) * share)));
}

// None yet; its buffers are kept from search to search.
DenseCandidates& ThreadCandidates() {
  thread_local DenseCandidates candidates;
  candidates.axes.reset();
  candidates.keys.clear();
  return candidates;
}

// The rows of the segment that a reader of rows [0, rows_at) at the version sees.
VisibleRows VisibleIn(const SegmentSet& set, const Segment& segment, Version at, uint64_t rows_at) {
  if (segment.rows.begin.value >= rows_at) return {.rows = std::make_shared<Bitmap>(segment.row_count()), .count = 0};
  VisibleRows visible = segment.visible->At(*set.retired, segment.rows, at);
  if (segment.rows.end.value <= rows_at) return visible;
  auto old_rows = visible.rows == nullptr ? std::make_shared<Bitmap>(segment.row_count(), true)
                                          : std::make_shared<Bitmap>(*visible.rows);
  for (uint64_t row = rows_at; row < segment.rows.end.value; ++row) old_rows->Clear(row - segment.rows.begin.value);
  const uint64_t count = old_rows->Count();
  return {.rows = std::move(old_rows), .count = count};
}

RowMask::SegmentMask MaskSegment(const Segment& segment, VisibleRows visible, const CompiledFilter* filter,
                                 const Principal& principal) {
  RowMask::SegmentMask mask;
  mask.visible = std::move(visible.rows);
  mask.visible_count = visible.count;
  mask.allowed_count = mask.visible_count;
  if (mask.visible_count == 0) return mask;

  const bool hides = segment.access != nullptr && segment.access->MayHideFrom(principal);
  if (filter == nullptr && !hides) return mask;
  std::shared_ptr<Bitmap> allowed;
  if (filter != nullptr) {
    allowed = std::make_shared<Bitmap>(segment.payload->Evaluate(
        *filter, [&](std::span<const FilterValue> ids) { return segment.ids->Find(ids); }));
    if (mask.visible) allowed->And(*mask.visible);
  } else {
    allowed = mask.visible ? std::make_shared<Bitmap>(*mask.visible) : std::make_shared<Bitmap>(segment.row_count(), true);
  }
  if (hides) segment.access->ClearHidden(principal, *allowed);
  mask.allowed_count = allowed->Count();
  mask.allowed = std::move(allowed);
  return mask;
}

std::vector<TextSegment> TextSegments(const SegmentSet& set, int field, const RowMask& mask) {
  std::vector<TextSegment> segments;
  for (size_t i = 0; i < set.segments.size(); ++i) {
    if (mask.segments[i].visible_count == 0) continue;
    segments.push_back({.index = set.segments[i]->text[static_cast<size_t>(field)].get(),
                        .first_row = set.segments[i]->rows.begin,
                        .visible = mask.segments[i].visible_or_null(),
                        .allowed = mask.segments[i].allowed_or_null()});
  }
  return segments;
}

absl::Status CheckTextField(const IndexSchema& schema, int field) {
  if (field >= 0 && static_cast<size_t>(field) < schema.schema.text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("text field ", field, " of ", schema.schema.text.size(), " does not exist"));
}

// The query in canonical form.
absl::StatusOr<SparseVector> PrepareSparse(const IndexSchema& schema, int field,
                                           SparseVector query) {
  if (field < 0 || static_cast<size_t>(field) >= schema.schema.sparse.size()) {
    return absl::InvalidArgumentError(absl::StrCat("sparse field ", field, " of ",
                                                   schema.schema.sparse.size(), " does not exist"));
  }
  if (absl::Status status = CheckSparseVector(query, Limits::kMaxSparseEntries); !status.ok())
    return status;
  CanonicalizeSparseVector(query);
  return query;
}

absl::Status CheckRowAt(RowId row, uint64_t rows_at) {
  if (row.value < rows_at) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("row ", row.value, " is not below ", rows_at, ", the rows at this version"));
}

Bm25Params ParamsOf(const TextField& field) { return {.k1 = field.k1, .b = field.b}; }

}  // namespace

IndexReader::IndexReader(std::shared_ptr<const SegmentSet> segments, Version at, uint64_t rows_at)
    : segments_(std::move(segments)), at_(at), rows_at_(std::min(rows_at, segments_->rows)) {}

absl::StatusOr<RowMask> IndexReader::MakeMask(const Filter* filter, const Principal& principal,
                                              const CancelToken& cancel) const {
  RowMask mask;
  mask.segments.reserve(segments_->segments.size());
  std::optional<CompiledFilter> compiled;
  if (filter != nullptr) compiled = CompiledFilter::Compile(*filter, segments_->schema->schema);
  for (const SegmentPtr& segment : segments_->segments) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    mask.segments.push_back(MaskSegment(*segment, VisibleIn(*segments_, *segment, at_, rows_at_),
                                        compiled ? &*compiled : nullptr, principal));
    mask.visible_count += mask.segments.back().visible_count;
    mask.allowed_count += mask.segments.back().allowed_count;
  }
  return mask;
}

AllowedEstimate IndexReader::EstimateAllowed(const Filter* filter, const Principal& principal) const {
  AllowedEstimate estimate;
  estimate.segments.reserve(segments_->segments.size());
  std::optional<CompiledFilter> compiled;
  if (filter != nullptr) compiled = CompiledFilter::Compile(*filter, segments_->schema->schema);
  for (const SegmentPtr& segment : segments_->segments) {
    const uint64_t visible = VisibleIn(*segments_, *segment, at_, rows_at_).count;
    const uint64_t hidden = segment->row_count() - visible;
    AllowedEstimate::Bounds bounds{visible, visible};
    if (compiled) {
      const RowBounds meeting = segment->payload->Estimate(*compiled);
      bounds = {meeting.lower > hidden ? meeting.lower - hidden : 0, std::min(meeting.upper, visible)};
    }
    if (segment->access != nullptr && segment->access->MayHideFrom(principal)) bounds.lower = 0;
    estimate.total.lower += bounds.lower;
    estimate.total.upper += bounds.upper;
    estimate.segments.push_back(bounds);
  }
  return estimate;
}

absl::StatusOr<std::vector<Hit>> IndexReader::SearchDense(const DenseQuery& query, const RowMask& mask,
                                                          const CancelToken& cancel, SearchStats* stats) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  absl::StatusOr<std::vector<float>> vector = PrepareQuery(*segments_->schema, query);
  if (!vector.ok()) return vector.status();
  const auto field = static_cast<size_t>(query.field);
  const int schema_ef = segments_->schema->schema.dense[field].hnsw.ef_search;
  const auto k = static_cast<size_t>(std::min<uint64_t>(query.k, mask.allowed_count));
  TopHits top(k);
  PlanCounts plan;
  DenseCandidates& candidates = ThreadCandidates();
  uint64_t distances = 0;
  const auto ef = static_cast<size_t>(std::max(1, query.ef_search > 0 ? query.ef_search : schema_ef));
  for (size_t i = 0; i < segments_->segments.size() && k > 0; ++i) {
    const RowMask::SegmentMask& segment_mask = mask.segments[i];
    if (segment_mask.allowed_count == 0) continue;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const Segment& segment = *segments_->segments[i];
    DenseSegmentStats done;
    const DenseSegmentSearch search = {.column = &segment.dense[field],
                                       .graph = segment.graphs[field].get(),
                                       .codes = segment.CodesOf(field),
                                       .allowed = segment_mask.allowed_or_null(),
                                       .allowed_count = segment_mask.allowed_count,
                                       .first_row = segment.rows.begin,
                                       .k = k,
                                       .ef = ef,
                                       .first_ef = FirstEf(ef, k, segment_mask.allowed_count, mask.allowed_count),
                                       .exact = query.exact,
                                       .candidates = segments_->segments.size() > 1 ? &candidates : nullptr};
    if (absl::Status status = SearchDenseSegment(search, vector->data(), cancel, top, done); !status.ok()) return status;
    plan.Add(segment, search.graph != nullptr, query.exact, done);
    distances += done.distances;
  }
  if (stats != nullptr) {
    stats->segments += plan.walked + plan.by_code + plan.fresh_by_code + plan.by_cell + plan.asked + plan.fresh + plan.flat + plan.filtered;
    stats->segments_exact += plan.asked + plan.fresh + plan.flat + plan.filtered;
    stats->distances += distances;
    stats->rows_visited += distances;
    stats->plan = plan.Words();
  }
  return top.TakeSorted();
}

absl::StatusOr<std::vector<Hit>> IndexReader::SearchText(int field, std::string_view text, size_t k,
                                                         const RowMask& mask, const CancelToken& cancel,
                                                         SearchStats* stats) const {
  const absl::StatusOr<AnalyzedText> query = AnalyzeText(field, text);
  if (!query.ok()) return query.status();
  return SearchTerms(field, WeightedTermsOf(*query), k, mask, cancel, stats);
}

absl::StatusOr<std::vector<Hit>> IndexReader::SearchTerms(int field,
                                                          std::span<const WeightedTerm> terms,
                                                          size_t k, const RowMask& mask,
                                                          const CancelToken& cancel,
                                                          SearchStats* stats) const {
  const IndexSchema& schema = *segments_->schema;
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  if (absl::Status status = CheckTextField(schema, field); !status.ok()) return status;
  const std::vector<TextSegment> segments = TextSegments(*segments_, field, mask);
  const TextStatistics statistics = CollectTextStatistics(segments, terms);
  if (stats != nullptr) {
    stats->segments += segments.size();
    stats->segments_exact += segments.size();
    for (const TermStatistics& term : statistics.terms) stats->rows_visited += term.document_frequency;
    stats->plan = absl::StrCat("bm25 of ", statistics.terms.size(), " terms, exact on ", segments.size(),
                               segments.size() == 1 ? " segment" : " segments");
  }
  return SearchBm25(segments, statistics, ParamsOf(schema.schema.text[static_cast<size_t>(field)]),
                    k, cancel);
}

absl::StatusOr<AnalyzedText> IndexReader::AnalyzeText(int field, std::string_view text) const {
  if (absl::Status status = CheckTextField(*segments_->schema, field); !status.ok()) return status;
  return segments_->schema->analyzers[static_cast<size_t>(field)]->Analyze(text);
}

absl::StatusOr<AnalyzedText> IndexReader::AnalyzePayload(int field,
                                                         std::string_view payload) const {
  if (absl::Status status = CheckTextField(*segments_->schema, field); !status.ok()) return status;
  return AnalyzeText(
      field, IndexedText(segments_->schema->schema.text[static_cast<size_t>(field)], payload));
}

absl::StatusOr<std::vector<Hit>> IndexReader::SearchSparse(int field, const SparseVector& query,
                                                           size_t k, const RowMask& mask,
                                                           const CancelToken& cancel,
                                                           SearchStats* stats) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  const absl::StatusOr<SparseVector> canonical = PrepareSparse(*segments_->schema, field, query);
  if (!canonical.ok()) return canonical.status();
  std::vector<SparseSegment> segments;
  for (size_t i = 0; i < segments_->segments.size(); ++i) {
    if (mask.segments[i].allowed_count == 0) continue;
    const Segment& segment = *segments_->segments[i];
    segments.push_back({.index = segment.sparse[static_cast<size_t>(field)].get(),
                        .first_row = segment.rows.begin,
                        .allowed = mask.segments[i].allowed_or_null()});
  }
  RankedScanStats scanned;
  absl::StatusOr<std::vector<Hit>> hits =
      vouch::SearchSparse(segments, *canonical, k, cancel, &scanned);
  if (stats != nullptr) {
    stats->segments += segments.size();
    stats->segments_exact += segments.size();
    stats->rows_visited += scanned.scored;
    stats->plan =
        absl::StrCat("inner product over ", canonical->indices.size(), " indices, exact on ",
                     segments.size(), segments.size() == 1 ? " segment" : " segments");
  }
  return hits;
}

absl::StatusOr<std::optional<float>> IndexReader::ScoreDense(const DenseQuery& query, RowId row) const {
  absl::StatusOr<std::vector<float>> vector = PrepareQuery(*segments_->schema, query);
  if (!vector.ok()) return vector.status();
  if (row.value >= rows_at_) return std::nullopt;
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  const DenseColumn& column = segment.dense[static_cast<size_t>(query.field)];
  const std::optional<uint32_t> node = column.NodeOf(segment.LocalRow(row));
  if (!node) return std::nullopt;
  VectorReader vectors(column);
  const DistanceKernels::One distance = BestKernels().one(column.metric());
  const float score = ScoreOfDistance(distance(vector->data(), vectors.Read(*node), column.dim()));
  if (!vectors.status().ok()) return vectors.status();
  return score;
}

absl::StatusOr<std::vector<TermContribution>> IndexReader::ExplainText(int field, std::string_view text, RowId row,
                                                                       const RowMask& mask) const {
  const absl::StatusOr<AnalyzedText> query = AnalyzeText(field, text);
  if (!query.ok()) return query.status();
  return ExplainTerms(field, WeightedTermsOf(*query), row, mask);
}

absl::StatusOr<std::vector<TermContribution>> IndexReader::ExplainTerms(
    int field, std::span<const WeightedTerm> terms, RowId row, const RowMask& mask) const {
  const IndexSchema& schema = *segments_->schema;
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  if (absl::Status status = CheckTextField(schema, field); !status.ok()) return status;
  if (absl::Status status = CheckRowAt(row, rows_at_); !status.ok()) return status;
  const auto ordinal = static_cast<size_t>(field);
  const TextStatistics statistics =
      CollectTextStatistics(TextSegments(*segments_, field, mask), terms);
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  return ExplainBm25(*segment.text[ordinal], segment.LocalRow(row), statistics, ParamsOf(schema.schema.text[ordinal]));
}

absl::StatusOr<std::vector<SparseContribution>> IndexReader::ExplainSparse(
    int field, const SparseVector& query, RowId row) const {
  const absl::StatusOr<SparseVector> canonical = PrepareSparse(*segments_->schema, field, query);
  if (!canonical.ok()) return canonical.status();
  if (absl::Status status = CheckRowAt(row, rows_at_); !status.ok()) return status;
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  return vouch::ExplainSparse(*segment.sparse[static_cast<size_t>(field)], segment.LocalRow(row),
                              *canonical);
}

PointId IndexReader::IdOf(RowId row) const {
  if (row.value >= rows_at_) return PointId();
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  return segment.ids->IdOf(segment.LocalRow(row));
}

bool IndexReader::IsVisible(RowId row, const RowMask& mask) const {
  if (row.value >= rows_at_ || mask.segments.size() != segments_->segments.size()) return false;
  const size_t segment = segments_->FindSegment(row);
  const Bitmap* visible = mask.segments[segment].visible_or_null();
  return visible == nullptr || visible->Test(segments_->segments[segment]->LocalRow(row));
}

bool IndexReader::IsAllowed(RowId row, const RowMask& mask) const {
  if (row.value >= rows_at_ || mask.segments.size() != segments_->segments.size()) return false;
  const size_t segment = segments_->FindSegment(row);
  const Bitmap* allowed = mask.segments[segment].allowed_or_null();
  return allowed == nullptr || allowed->Test(segments_->segments[segment]->LocalRow(row));
}

std::vector<RowId> IndexReader::ScrollRows(const RowMask& mask, RowId after, size_t limit) const {
  std::vector<RowId> rows;
  const uint64_t begin = after == kNoRow ? 0 : after.value + 1;
  if (begin >= rows_at_ || mask.segments.size() != segments_->segments.size()) return rows;
  for (size_t i = segments_->FindSegment(RowId(begin)); i < segments_->segments.size(); ++i) {
    if (mask.segments[i].allowed_count == 0) continue;
    const Bitmap* allowed = mask.segments[i].allowed_or_null();
    const RowRange range = segments_->segments[i]->rows;
    for (uint64_t row = std::max(begin, range.begin.value); row < range.end.value; ++row) {
      if (rows.size() == limit) return rows;
      if (allowed == nullptr || allowed->Test(row - range.begin.value)) rows.push_back(RowId(row));
    }
  }
  return rows;
}

std::vector<std::string> IndexReader::BuildIds() const {
  std::vector<std::string> ids;
  uint64_t fresh_begin = 0;
  uint64_t fresh_end = 0;
  const auto end_fresh = [&] {
    if (fresh_end > fresh_begin) ids.push_back(absl::StrCat("fresh:", fresh_begin, "-", fresh_end));
    fresh_begin = fresh_end = 0;
  };
  for (const SegmentPtr& segment : segments_->segments) {
    if (segment->rows.begin.value >= rows_at_) break;
    if (segment->sealed) {
      end_fresh();
      ids.push_back(segment->build_id);
      continue;
    }
    if (fresh_end == fresh_begin) fresh_begin = segment->rows.begin.value;
    fresh_end = std::min(segment->rows.end.value, rows_at_);
  }
  end_fresh();
  return ids;
}

}  // namespace vouch
