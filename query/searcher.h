#pragma once

#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/cursor.h"
#include "query/executor.h"
#include "query/search.h"
#include "query/why_not.h"
#include "storage/catalog.h"
#include "storage/store.h"

namespace vouch {

// Runs one search request over one snapshot: checks it, plans, executes, cuts the page, fetches and
// explains. For one request on one thread; borrows all it is given.
//
// Pages of a cursor are those of one list: a scroll goes on after the last row; a ranked query is
// run again at the cursor's version, with the first page's depth of fusions, and goes on after the
// last hit in the total order. So exact queries give each hit once and none twice, whatever is
// written meanwhile.
class Searcher {
 public:
  static constexpr size_t kMaxPayloadKeys = 256;

  // `masks` may be null, else outlives the searcher: of other requests of the principal over the
  // same reader. `pool`, which may be null, helps with fusions.
  Searcher(const Store& store, const CollectionInfo& info, const SearchRequest& request,
           const CrossEncoders& encoders, MaskCache* masks, JobPool* pool)
      : store_(store),
        info_(info),
        request_(request),
        encoders_(encoders),
        masks_(masks),
        pool_(pool),
        cross_(store, info, encoders) {}

  // INVALID_ARGUMENT names the part of the request, the value and the limit. Reads the cursor,
  // where there is one.
  absl::Status Check();
  // Null on a first page. After Check.
  const Cursor* cursor() const { return has_cursor_ ? &cursor_ : nullptr; }
  // After Check. `reader` reads the cursor's version where there is a cursor.
  absl::StatusOr<SearchResponse> Run(const IndexReader& reader);
  // After Check, of a request with neither cursor nor group_by. NOT_FOUND: the principal sees no
  // such point.
  absl::StatusOr<WhyNotResponse> WhyNot(const IndexReader& reader, const PointId& id);

 private:
  // The part [begin, end) of the root's list that the page shows.
  struct Page {
    size_t begin = 0;
    size_t end = 0;
    uint64_t consumed = 0;  // hits of the whole list up to the page's end
  };

  absl::Status CheckCursor();
  bool is_scroll() const { return std::holds_alternative<AllLeaf>(request_.query.node); }
  // Whether the root's list is, or where a model fails may be, in an order of its own: scores may
  // rise in it.
  bool ranks_by_choice() const {
    const auto* rerank = std::get_if<RerankNode>(&request_.query.node);
    if (rerank == nullptr) return false;
    const auto* cross = std::get_if<CrossEncoderRerank>(&rerank->method);
    return std::holds_alternative<MmrRerank>(rerank->method) ||
           (cross != nullptr && cross->on_failure == CrossEncoderFailure::kKeepOrder);
  }
  // The place after the cursor's last hit.
  size_t AfterLast(const std::vector<RankedRow>& hits) const;
  // Hits of the whole list before the page.
  uint64_t before() const { return has_cursor_ ? cursor_.consumed : request_.offset; }

  // Of this request, or of the members of its groups.
  absl::StatusOr<Plan> MakePlan(const SearchRequest& request, const IndexReader& reader,
                                PlanDepth depth) const;
  SearchResponse DescribeOnly(const IndexReader& reader) const;
  absl::StatusOr<SearchResponse> RunScroll(const IndexReader& reader);
  absl::StatusOr<SearchResponse> RunRanked(const IndexReader& reader);
  absl::StatusOr<SearchResponse> RunGrouped(const IndexReader& reader);
  // Sets all of the response but cursor and groups; `shown` are hits of `result`, each at most once
  // a group.
  absl::Status FillHits(const IndexReader& reader, const Plan& plan, const NodeResult& result,
                        std::span<const RankedRow> shown, Executor& executor,
                        SearchResponse& response) const;
  absl::StatusOr<SearchResponse> Respond(const IndexReader& reader, const Plan& plan,
                                         const NodeResult& result, const Page& page,
                                         Executor& executor) const;
  std::string NextCursor(Version version, const RankedRow& last, uint64_t consumed) const;

  const Store& store_;
  const CollectionInfo& info_;
  const SearchRequest& request_;
  const CrossEncoders& encoders_;
  MaskCache* const masks_;
  JobPool* const pool_;
  CrossScorer cross_;
  bool has_cursor_ = false;
  Cursor cursor_;
};

}  // namespace vouch
