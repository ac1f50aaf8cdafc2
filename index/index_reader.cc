#include "index/index_reader.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense/dense_search.h"
#include "index/dense/kernels.h"
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
  size_t min_ef = 0;
  size_t max_ef = 0;

  void Add(const Segment& segment, bool has_graph, bool asked_exact, const DenseSegmentStats& done) {
    if (done.exact) {
      ++(asked_exact ? asked : !segment.sealed ? fresh : has_graph ? filtered : flat);
      return;
    }
    if (done.codes) {
      ++by_code;
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
    if (by_code > 0) {
      absl::StrAppend(&words, words.empty() ? "" : ", ", "all codes on ", by_code, " (few rows allowed)");
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

// Finds the set bits of a bitmap by their numbers, ascending; a null bitmap has all set.
class RankedBits {
 public:
  explicit RankedBits(const Bitmap* bits) : bits_(bits) {}

  // The position of set bit number `rank`, counted from 0; ranks ascend from call to call, below
  // the number of set bits.
  uint32_t Seek(uint64_t rank) {
    if (bits_ == nullptr) return static_cast<uint32_t>(rank);
    uint64_t count = std::popcount(bits_->word(word_));
    while (before_ + count <= rank) {
      before_ += count;
      count = std::popcount(bits_->word(++word_));
    }
    uint64_t word = bits_->word(word_);
    for (uint64_t skip = rank - before_; skip > 0; --skip) word &= word - 1;
    return static_cast<uint32_t>(word_ * 64 + std::countr_zero(word));
  }

 private:
  const Bitmap* bits_;
  size_t word_ = 0;
  uint64_t before_ = 0;  // set bits of the words before
};

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
  uint64_t distances = 0;
  for (size_t i = 0; i < segments_->segments.size() && k > 0; ++i) {
    const RowMask::SegmentMask& segment_mask = mask.segments[i];
    if (segment_mask.allowed_count == 0) continue;
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const Segment& segment = *segments_->segments[i];
    DenseSegmentStats done;
    const DenseSegmentSearch search = {.column = &segment.dense[field],
                                       .graph = segment.graphs[field].get(),
                                       .allowed = segment_mask.allowed_or_null(),
                                       .allowed_count = segment_mask.allowed_count,
                                       .first_row = segment.rows.begin,
                                       .k = k,
                                       .ef = static_cast<size_t>(std::max(
                                           1, query.ef_search > 0 ? query.ef_search : schema_ef)),
                                       .exact = query.exact};
    if (absl::Status status = SearchDenseSegment(search, vector->data(), cancel, top, done); !status.ok()) return status;
    plan.Add(segment, search.graph != nullptr, query.exact, done);
    distances += done.distances;
  }
  if (stats != nullptr) {
    stats->segments += plan.walked + plan.by_code + plan.asked + plan.fresh + plan.flat + plan.filtered;
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

absl::StatusOr<std::optional<float>> IndexReader::ScoreDense(const DenseQuery& query, RowId row) const {
  absl::StatusOr<std::vector<float>> vector = PrepareQuery(*segments_->schema, query);
  if (!vector.ok()) return vector.status();
  if (row.value >= rows_at_) return std::nullopt;
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  const DenseColumn& column = segment.dense[static_cast<size_t>(query.field)];
  const std::optional<uint32_t> node = column.NodeOf(segment.LocalRow(row));
  if (!node) return std::nullopt;
  const DistanceKernels::One distance = BestKernels().one(column.metric());
  return ScoreOfDistance(distance(vector->data(), column.vector(*node), column.dim()));
}

absl::StatusOr<std::vector<float>> IndexReader::SampleScores(const DenseQuery& query, size_t count,
                                                             const RowMask& mask) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  const absl::StatusOr<std::vector<float>> vector = PrepareQuery(*segments_->schema, query);
  if (!vector.ok()) return vector.status();
  std::vector<float> scores;
  const uint64_t taken = std::min<uint64_t>(count, mask.allowed_count);
  scores.reserve(taken);
  uint64_t next = 0;    // of the samples
  uint64_t before = 0;  // allowed rows of the segments before
  for (size_t i = 0; i < segments_->segments.size() && next < taken; ++i) {
    const RowMask::SegmentMask& segment_mask = mask.segments[i];
    const Segment& segment = *segments_->segments[i];
    const DenseColumn& column = segment.dense[static_cast<size_t>(query.field)];
    const DistanceKernels::One distance = BestKernels().one(column.metric());
    RankedBits bits(segment_mask.allowed_or_null());
    for (; next < taken; ++next) {
      // The sample's number among all allowed rows, whichever segments they lie in.
      const uint64_t rank = next * mask.allowed_count / taken;
      if (rank >= before + segment_mask.allowed_count) break;
      const std::optional<uint32_t> node = column.NodeOf(bits.Seek(rank - before));
      if (!node) continue;
      scores.push_back(
          ScoreOfDistance(distance(vector->data(), column.vector(*node), column.dim())));
    }
    before += segment_mask.allowed_count;
  }
  return scores;
}

std::span<const float> IndexReader::VectorOf(int field, RowId row) const {
  if (row.value >= rows_at_ || field < 0 ||
      static_cast<size_t>(field) >= segments_->schema->schema.dense.size()) {
    return {};
  }
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  const DenseColumn& column = segment.dense[static_cast<size_t>(field)];
  const std::optional<uint32_t> node = column.NodeOf(segment.LocalRow(row));
  if (!node) return {};
  return {column.vector(*node), column.dim()};
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
  if (row.value >= rows_at_) {
    return absl::NotFoundError(absl::StrCat("row ", row.value, " is not below ", rows_at_, ", the rows at this version"));
  }
  const auto ordinal = static_cast<size_t>(field);
  const TextStatistics statistics =
      CollectTextStatistics(TextSegments(*segments_, field, mask), terms);
  const Segment& segment = *segments_->segments[segments_->FindSegment(row)];
  return ExplainBm25(*segment.text[ordinal], segment.LocalRow(row), statistics, ParamsOf(schema.schema.text[ordinal]));
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
