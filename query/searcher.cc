#include "query/searcher.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/payload/payload_columns.h"
#include "query/fetcher.h"
#include "query/ledger.h"
#include "query/planner.h"

namespace vouch {
namespace {

// An approximate list that changes with its depth can push the page's start back; it is then
// fetched again, deeper.
constexpr int kMaxRuns = 3;

absl::Status CheckBounds(const SearchRequest& request) {
  if (request.limit == 0 || request.limit > QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit ", request.limit, " is not in 1 … ", QueryLimits::kMaxLimit));
  }
  if (uint64_t{request.offset} + request.limit > QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("offset ", request.offset, " + limit ", request.limit, " is over ",
                     QueryLimits::kMaxLimit, "; go on with next_cursor instead"));
  }
  if (request.projection.payload_keys.size() > Searcher::kMaxPayloadKeys) {
    return absl::InvalidArgumentError(
        absl::StrCat("projection: ", request.projection.payload_keys.size(), " payload keys, over ",
                     Searcher::kMaxPayloadKeys));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Searcher::Check() {
  if (absl::Status status = CheckBounds(request_); !status.ok()) return status;
  if (absl::Status status = ValidateQuery(request_.query, info_.schema); !status.ok()) {
    return status;
  }
  if (request_.filter) {
    if (absl::Status status = ValidateFilter(*request_.filter, info_.schema); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("filter: ", status.message()));
    }
  }
  return request_.cursor.empty() ? absl::OkStatus() : CheckCursor();
}

absl::Status Searcher::CheckCursor() {
  if (request_.offset != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("offset ", request_.offset, " with a cursor: a cursor says where to go on"));
  }
  absl::StatusOr<Cursor> cursor = DecodeCursor(request_.cursor);
  if (!cursor.ok()) return cursor.status();
  if (cursor->question != HashQuestion(request_)) {
    return absl::InvalidArgumentError(
        "cursor: it belongs to another query, filter or principal; send those of the first page");
  }
  if (!is_scroll() && cursor->consumed >= QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cursor: it stands after hit ", cursor->consumed, ", and ranked results end at ",
        QueryLimits::kMaxLimit, "; narrow the filter, or scroll"));
  }
  cursor_ = *cursor;
  has_cursor_ = true;
  return absl::OkStatus();
}

absl::StatusOr<SearchResponse> Searcher::Run(const IndexReader& reader) {
  return is_scroll() ? RunScroll(reader) : RunRanked(reader);
}

PayloadReader Searcher::Payloads() const {
  return [this](std::span<const RowId> rows) -> absl::StatusOr<std::vector<std::string>> {
    absl::StatusOr<std::vector<RowRecord>> records =
        store_.ReadRows(info_.id, rows, /*with_vectors=*/false);
    if (!records.ok()) return records.status();
    std::vector<std::string> payloads;
    payloads.reserve(records->size());
    for (RowRecord& record : *records) payloads.push_back(std::move(record.payload));
    return payloads;
  };
}

absl::StatusOr<SearchResponse> Searcher::RunScroll(const IndexReader& reader) {
  const size_t skip = has_cursor_ ? 0 : request_.offset;
  size_t fetch = skip + request_.limit;
  if (request_.query.limit != 0) {
    const uint64_t done = has_cursor_ ? cursor_.consumed : 0;
    fetch = std::min<size_t>(fetch,
                             request_.query.limit - std::min<uint64_t>(done, request_.query.limit));
  }
  const Plan plan = PlanQuery(request_, info_.schema, {.first_page = 0, .root_limit = fetch});
  Executor executor(
      reader, info_.schema, request_.principal, request_.cancel, Payloads(),
      {.explain = request_.explain, .scroll_after = has_cursor_ ? cursor_.last.row : kNoRow});
  absl::StatusOr<NodeResult> result = executor.Run(plan);
  if (!result.ok()) return result.status();
  Page page;
  page.begin = std::min(skip, result->hits.size());
  page.end = result->hits.size();
  page.consumed = before() + (page.end - page.begin);
  absl::StatusOr<SearchResponse> response = Respond(reader, plan, *result, page, executor);
  if (response.ok() && has_cursor_) {
    for (PointHit& hit : response->hits) {
      for (NodeScore& score : hit.explanation)
        score.rank += static_cast<uint32_t>(cursor_.consumed);
    }
  }
  return response;
}

absl::StatusOr<SearchResponse> Searcher::RunRanked(const IndexReader& reader) {
  const size_t cap = request_.query.limit != 0 ? request_.query.limit : QueryLimits::kMaxLimit;
  const size_t first_page = has_cursor_ ? cursor_.first_page : request_.offset + request_.limit;
  uint64_t skip = before();
  Executor executor(reader, info_.schema, request_.principal, request_.cancel, Payloads(),
                    {.explain = request_.explain, .scroll_after = kNoRow});
  for (int run = 1;; ++run) {
    const size_t wanted = std::min<size_t>(cap, skip + request_.limit);
    const Plan plan =
        PlanQuery(request_, info_.schema, {.first_page = first_page, .root_limit = wanted});
    absl::StatusOr<NodeResult> result = executor.Run(plan);
    if (!result.ok()) return result.status();
    const std::vector<RankedRow>& hits = result->hits;
    Page page;
    page.begin = std::min<size_t>(skip, hits.size());
    if (has_cursor_) {
      page.begin = std::upper_bound(hits.begin(), hits.end(), cursor_.last) - hits.begin();
    }
    if (page.begin > skip && result->cut && wanted < cap && run < kMaxRuns) {
      skip = page.begin;
      continue;
    }
    page.end = std::min<size_t>(hits.size(), page.begin + request_.limit);
    page.consumed = page.end;
    return Respond(reader, plan, *result, page, executor);
  }
}

absl::StatusOr<SearchResponse> Searcher::Respond(const IndexReader& reader, const Plan& plan,
                                                 const NodeResult& result, const Page& page,
                                                 Executor& executor) const {
  absl::StatusOr<SearchResponse> response{SearchResponse()};
  response->version = reader.at();
  response->hits.reserve(page.end - page.begin);
  for (size_t i = page.begin; i < page.end; ++i) {
    PointHit& hit = response->hits.emplace_back();
    hit.id = reader.IdOf(result.hits[i].row);
    hit.row = result.hits[i].row;
    hit.score = result.hits[i].score;
  }
  absl::Status status = FetchHits(store_, info_, request_.projection, response->hits);
  if (!status.ok()) return status;
  if (request_.explain) {
    Ledger ledger(reader, info_.schema, plan, result, executor);
    if (status = ledger.AddPlan(*response); !status.ok()) return status;
    if (status = ledger.ExplainHits(response->hits); !status.ok()) return status;
  }
  response->build_ids = reader.BuildIds();
  const bool more = result.cut || page.end < result.hits.size();
  const bool node_has_more = request_.query.limit == 0 || page.consumed < request_.query.limit;
  if (more && node_has_more && page.begin < page.end) {
    response->next_cursor = NextCursor(reader.at(), result.hits[page.end - 1], page.consumed);
  }
  return response;
}

std::string Searcher::NextCursor(Version version, const RankedRow& last, uint64_t consumed) const {
  return EncodeCursor(
      {.version = version,
       .first_page = has_cursor_ ? cursor_.first_page : request_.offset + request_.limit,
       .consumed = consumed,
       .last = last,
       .question = has_cursor_ ? cursor_.question : HashQuestion(request_)});
}

}  // namespace vouch
