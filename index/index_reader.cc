#include "index/index_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/inverted/ranked_scan.h"
#include "index/payload/compiled_filter.h"
#include "index/payload/value_index.h"
#include "index/prepared_rows.h"
#include "index/reader_checks.h"
#include "index/segment_set.h"

namespace vouch {
namespace {

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
                                 const Principal* principal) {
  RowMask::SegmentMask mask;
  mask.visible = std::move(visible.rows);
  mask.visible_count = visible.count;
  mask.allowed_count = mask.visible_count;
  if (mask.visible_count == 0) return mask;

  const bool hides = principal != nullptr && segment.access != nullptr && segment.access->MayHideFrom(*principal);
  if (filter == nullptr && !hides) return mask;
  std::shared_ptr<Bitmap> allowed;
  if (filter != nullptr) {
    allowed = std::make_shared<Bitmap>(segment.payload->Evaluate(
        *filter, [&](std::span<const FilterValue> ids) { return segment.ids->Find(ids); }));
    if (mask.visible) allowed->And(*mask.visible);
  } else {
    allowed = mask.visible ? std::make_shared<Bitmap>(*mask.visible) : std::make_shared<Bitmap>(segment.row_count(), true);
  }
  if (hides) segment.access->ClearHidden(*principal, *allowed);
  mask.allowed_count = allowed->Count();
  mask.allowed = std::move(allowed);
  return mask;
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

}  // namespace

IndexReader::IndexReader(std::shared_ptr<const SegmentSet> segments, Version at, uint64_t rows_at,
                         std::shared_ptr<const void> hold)
    : segments_(std::move(segments)),
      at_(at),
      rows_at_(std::min(rows_at, segments_->rows)),
      hold_(std::move(hold)) {}

absl::StatusOr<RowMask> IndexReader::MakeMask(const Filter* filter, const Principal& principal,
                                              const CancelToken& cancel) const {
  return MakeMaskFor(filter, &principal, cancel);
}

absl::StatusOr<RowMask> IndexReader::MakeMaskOfAll(const Filter* filter, const CancelToken& cancel) const {
  return MakeMaskFor(filter, nullptr, cancel);
}

absl::StatusOr<RowMask> IndexReader::MakeMaskFor(const Filter* filter, const Principal* principal,
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
