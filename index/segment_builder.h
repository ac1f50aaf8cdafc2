#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/dense/graph_build.h"
#include "index/index_schema.h"
#include "index/prepared_rows.h"
#include "index/segment.h"

namespace vouch {

// An unsealed segment of rows numbered from `first` on. `prepared` was made of the same rows. A vector of another
// dimension than its field's is taken as none: rows are validated before they are committed. `dropped`, where not null, says
// which rows stand for one that was let go, and have no id.
absl::StatusOr<SegmentPtr> BuildFreshSegment(const IndexSchema& schema, RowId first, std::span<const RowInput> rows,
                                             const IndexedRows& prepared, const std::vector<bool>* dropped = nullptr);

// One unsealed segment of adjacent ones' rows. At least one part, Segment::kMaxRows rows in all.
absl::StatusOr<SegmentPtr> MergeSegments(const IndexSchema& schema, std::span<const SegmentPtr> parts);

// A copy of the unsealed segment with codes for each field whose rows are many enough, by the axes of the largest graph of
// the field in `segments`; without where there is none, or its axes do not suit the rows.
absl::StatusOr<SegmentPtr> AddCodes(SegmentPtr segment, std::span<const SegmentPtr> segments);
// A copy of the segment that needs no file: its vectors lie in private memory. All else is shared. The store's error where
// the file is damaged and the store cannot give a row either.
absl::StatusOr<Segment> ReadVectors(const IndexSchema& schema, const Segment& segment);

// A copy of the segment with a graph for each field that the schema wants one for; it shares all other parts.
// `threads` build it; their number changes nothing but the time.
//
// `first`, which may be null, holds the segment's first rows: its graphs are kept and extended where that suits the others.
// Else codes are made by the axes of the field's largest graph in `others`, where that has at least as many nodes and its axes
// suit. `short_of_memory`: as ChooseKind takes it. `help`: who else takes part.
absl::StatusOr<Segment> BuildGraphs(const IndexSchema& schema, const Segment& segment, const Segment* first,
                                    std::span<const SegmentPtr> others, int threads, const BuildProgress& progress,
                                    bool short_of_memory = false, const DenseBuildHelp& help = {});

// Whether a graph does not follow from the segment's rows alone: it was extended, or has another's axes.
bool HasGrownGraphs(const Segment& segment);

// Whether BuildGraphs would try to extend all graphs of `first` for a segment of `rows` rows.
bool GraphsMayGrowTo(const Segment& first, uint64_t rows);

}  // namespace vouch
