#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/index_reader.h"
#include "query/cursor.h"
#include "query/executor.h"
#include "query/search.h"
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

  Searcher(const Store& store, const CollectionInfo& info, const SearchRequest& request)
      : store_(store), info_(info), request_(request) {}

  // INVALID_ARGUMENT names the part of the request, the value and the limit. Reads the cursor,
  // where there is one.
  absl::Status Check();
  // Null on a first page. After Check.
  const Cursor* cursor() const { return has_cursor_ ? &cursor_ : nullptr; }
  // After Check. `reader` reads the cursor's version where there is a cursor.
  absl::StatusOr<SearchResponse> Run(const IndexReader& reader);

 private:
  // The part [begin, end) of the root's list that the page shows.
  struct Page {
    size_t begin = 0;
    size_t end = 0;
    uint64_t consumed = 0;  // hits of the whole list up to the page's end
  };

  absl::Status CheckCursor();
  PayloadReader Payloads() const;
  bool is_scroll() const { return std::holds_alternative<AllLeaf>(request_.query.node); }
  // Hits of the whole list before the page.
  uint64_t before() const { return has_cursor_ ? cursor_.consumed : request_.offset; }

  absl::StatusOr<SearchResponse> RunScroll(const IndexReader& reader);
  absl::StatusOr<SearchResponse> RunRanked(const IndexReader& reader);
  absl::StatusOr<SearchResponse> Respond(const IndexReader& reader, const Plan& plan,
                                         const NodeResult& result, const Page& page,
                                         Executor& executor) const;
  std::string NextCursor(Version version, const RankedRow& last, uint64_t consumed) const;

  const Store& store_;
  const CollectionInfo& info_;
  const SearchRequest& request_;
  bool has_cursor_ = false;
  Cursor cursor_;
};

}  // namespace vouch
