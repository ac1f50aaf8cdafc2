// IndexReader's dense searches.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/dense/dense_search.h"
#include "index/dense/kernels.h"
#include "index/dense/vector_reader.h"
#include "index/dense_offload.h"
#include "index/dense_plan.h"
#include "index/index_reader.h"
#include "index/reader_checks.h"
#include "index/segment_set.h"

namespace vouch {
namespace {

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

// One search over the segments of a set.
class DenseSetSearch {
 public:
  // `vector` as PrepareQuery gives it.
  DenseSetSearch(const SegmentSet& set, const DenseQuery& query, const float* vector, const RowMask& mask,
                 const CancelToken& cancel)
      : set_(set),
        query_(query),
        vector_(vector),
        mask_(mask),
        cancel_(cancel),
        field_(static_cast<size_t>(query.field)),
        k_(static_cast<size_t>(std::min<uint64_t>(query.k, mask.allowed_count))),
        offload_(set.offload.get()),
        top_(k_) {}

  absl::StatusOr<std::vector<Hit>> Run() {
    if (k_ > 0) {
      if (absl::Status status = RunSegments(); !status.ok()) return status;
    }
    return top_.TakeSorted();
  }

  void Tell(SearchStats& stats) const {
    const uint64_t exact = plan_.on_device_exact + plan_.asked + plan_.fresh + plan_.flat + plan_.filtered;
    const uint64_t on_device_by_code = plan_.on_device - plan_.on_device_exact;
    stats.segments +=
        exact + on_device_by_code + plan_.walked + plan_.by_code + plan_.fresh_by_code + plan_.by_cell + plan_.by_ivf;
    stats.segments_exact += exact;
    stats.distances += distances_;
    stats.rows_visited += distances_;
    stats.plan = plan_.Words();
    stats.recall_estimate = estimate_.value();
  }

 private:
  const Segment& SegmentOf(size_t i) const { return *set_.segments[i]; }
  double ShareOf(size_t i) const {
    return static_cast<double>(mask_.segments[i].allowed_count) / SegmentOf(i).row_count();
  }

  DenseSegmentSearch SearchOf(size_t i) const {
    const Segment& segment = SegmentOf(i);
    const RowMask::SegmentMask& segment_mask = mask_.segments[i];
    const DenseField& field = set_.schema->schema.dense[field_];
    const RecallCurves* recalls = segment.RecallsOf(field_);
    const auto asked_ef =
        static_cast<size_t>(std::max(1, query_.ef_search > 0 ? query_.ef_search : field.hnsw.ef_search));
    const size_t ef = recalls == nullptr || query_.ef_search > 0 ? asked_ef
                                                                 : recalls->EfFor(field.recall_target, k_, ShareOf(i));
    return {.column = &segment.dense[field_],
            .graph = segment.graphs[field_].get(),
            .codes = segment.CodesOf(field_),
            .ivf = segment.IvfOf(field_),
            .allowed = segment_mask.allowed_or_null(),
            .allowed_count = segment_mask.allowed_count,
            .first_row = segment.rows.begin,
            .k = k_,
            .ef = ef,
            .first_ef = FirstEf(ef, k_, segment_mask.allowed_count, mask_.allowed_count),
            .exact = query_.exact,
            .candidates = set_.segments.size() > 1 ? &candidates_ : nullptr};
  }

  SegmentOffload::Request RequestOf(size_t i, const DenseSegmentSearch& search) const {
    const RowMask::SegmentMask& segment_mask = mask_.segments[i];
    return {.segment = SegmentOf(i),
            .field = field_,
            .search = search,
            .allowed = segment_mask.allowed ? segment_mask.allowed : segment_mask.visible,
            .query = vector_,
            .background = query_.background};
  }

  void Count(size_t i, const DenseSegmentSearch& search, const DenseSegmentStats& done) {
    const RecallCurves* recalls = SegmentOf(i).RecallsOf(field_);
    plan_.Add(SegmentOf(i), search.graph != nullptr || search.ivf != nullptr, query_.exact, done);
    estimate_.Add(mask_.segments[i].allowed_count, done.exact,
                  recalls == nullptr ? -1 : recalls->RecallAt(search.ef, k_, ShareOf(i)));
    distances_ += done.distances;
  }

  absl::Status SearchHere(size_t i) {
    const Segment& segment = SegmentOf(i);
    const DenseSegmentSearch search = SearchOf(i);
    DenseSegmentStats done;
    const bool timed = offload_ != nullptr && segment.sealed;
    const auto began = timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    if (absl::Status status = SearchDenseSegment(search, vector_, cancel_, top_, done); !status.ok()) return status;
    if (timed) offload_->NoteSearchedHere(RequestOf(i, search), std::chrono::steady_clock::now() - began);
    Count(i, search, done);
    return absl::OkStatus();
  }

  // By segment; none where nothing is searched elsewhere.
  std::vector<std::unique_ptr<OffloadedSearch>> BeginElsewhere() const {
    std::vector<std::unique_ptr<OffloadedSearch>> begun(offload_ == nullptr ? 0 : set_.segments.size());
    for (size_t i = 0; i < begun.size(); ++i) {
      if (!SegmentOf(i).sealed || mask_.segments[i].allowed_count == 0) continue;
      const DenseSegmentSearch search = SearchOf(i);
      begun[i] = offload_->Begin(RequestOf(i, search));
    }
    return begun;
  }

  absl::Status RunSegments() {
    // What goes elsewhere begins first, and goes on while the others are searched here.
    const std::vector<std::unique_ptr<OffloadedSearch>> elsewhere = BeginElsewhere();
    for (size_t i = 0; i < set_.segments.size(); ++i) {
      if (mask_.segments[i].allowed_count == 0 || (!elsewhere.empty() && elsewhere[i] != nullptr)) continue;
      if (absl::Status status = cancel_.Check(); !status.ok()) return status;
      if (absl::Status status = SearchHere(i); !status.ok()) return status;
    }
    for (size_t i = 0; i < elsewhere.size(); ++i) {
      if (elsewhere[i] == nullptr) continue;
      DenseSegmentStats done;
      const absl::StatusOr<bool> answered = elsewhere[i]->Await(cancel_, top_, done);
      if (!answered.ok()) return answered.status();
      if (*answered) {
        Count(i, SearchOf(i), done);
      } else if (absl::Status status = SearchHere(i); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  const SegmentSet& set_;
  const DenseQuery& query_;
  const float* const vector_;
  const RowMask& mask_;
  const CancelToken& cancel_;
  const size_t field_;
  const size_t k_;
  SegmentOffload* const offload_;
  DenseCandidates& candidates_ = ThreadCandidates();
  TopHits top_;
  PlanCounts plan_;
  RecallEstimate estimate_;
  uint64_t distances_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Hit>> IndexReader::SearchDense(const DenseQuery& query, const RowMask& mask,
                                                          const CancelToken& cancel, SearchStats* stats) const {
  if (absl::Status status = CheckMask(*segments_, mask); !status.ok()) return status;
  const absl::StatusOr<std::vector<float>> vector = PrepareQuery(*segments_->schema, query);
  if (!vector.ok()) return vector.status();
  DenseSetSearch search(*segments_, query, vector->data(), mask, cancel);
  absl::StatusOr<std::vector<Hit>> hits = search.Run();
  if (hits.ok() && stats != nullptr) search.Tell(*stats);
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

}  // namespace vouch
