#include "query/searcher.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "index/payload/payload_columns.h"
#include "query/examples.h"
#include "query/facets.h"
#include "query/fetcher.h"
#include "query/group.h"
#include "query/highlight.h"
#include "query/ledger.h"
#include "query/plan_description.h"
#include "query/planner.h"

namespace vouch {
namespace {

// An approximate list that changes with its depth can push the page's start back; it is then
// fetched again, deeper.
constexpr int kMaxRuns = 3;
// Where groups are not full, the list is taken so much deeper.
constexpr size_t kGroupDepthGrowth = 8;

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

// Whether the members of groups can be asked for by a filter of literals: it leaves the scores of a
// leaf as they are, but not those of fusions and rerankings, nor what feedback learns.
bool CanAskForMembers(const SearchRequest& request, PayloadType type) {
  if (type != PayloadType::kKeyword && type != PayloadType::kInteger) return false;
  if (request.group_by->candidates != 0 || request.query.limit != 0) return false;
  if (const auto* dense = std::get_if<DenseLeaf>(&request.query.node)) return !dense->feedback;
  if (const auto* text = std::get_if<TextLeaf>(&request.query.node)) return !text->feedback;
  return std::holds_alternative<SparseLeaf>(request.query.node);
}

// The same, of the rows that have a value of a group that lacks hits.
SearchRequest RequestOfMembers(const SearchRequest& request, const GroupedHits& grouped) {
  Filter members{.op = FilterOp::kIn, .path = request.group_by->path};
  for (const GroupedHits::Group& group : grouped.groups) {
    if (group.hits.size() == request.group_by->hits) continue;
    if (const auto* keyword = std::get_if<std::string>(&group.value)) {
      members.values.emplace_back(*keyword);
    } else {
      members.values.emplace_back(std::get<int64_t>(group.value));
    }
  }
  SearchRequest of_members = request;
  std::optional<Filter>& own = of_members.query.filter;
  own = own ? Filter{.op = FilterOp::kAnd, .children = {*own, std::move(members)}}
            : std::move(members);
  return of_members;
}

// Of two lists of one leaf, in total order.
std::vector<RankedRow> Union(std::span<const RankedRow> a, std::span<const RankedRow> b) {
  std::vector<RankedRow> all;
  all.reserve(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  all.erase(std::unique(all.begin(), all.end(), [](const RankedRow& x, const RankedRow& y) { return x.row == y.row; }),
            all.end());
  return all;
}

}  // namespace

absl::Status Searcher::Check() {
  if (absl::Status status = CheckBounds(request_); !status.ok()) return status;
  if (absl::Status status = ValidateQuery(request_.query, info_.schema, encoders_); !status.ok()) {
    return status;
  }
  if (request_.filter) {
    if (absl::Status status = ValidateFilter(*request_.filter, info_.schema); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("filter: ", status.message()));
    }
  }
  if (request_.group_by) {
    const bool paged = request_.offset != 0 || !request_.cursor.empty();
    absl::Status status = ValidateGroupBy(*request_.group_by, info_.schema, request_.limit, paged);
    if (!status.ok()) return status;
  }
  if (absl::Status status = ValidateFacets(request_.facets, info_.schema); !status.ok())
    return status;
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
  if (request_.plan_only) return DescribeOnly(reader);
  if (request_.group_by) return RunGrouped(reader);
  return is_scroll() ? RunScroll(reader) : RunRanked(reader);
}

absl::StatusOr<WhyNotResponse> Searcher::WhyNot(const IndexReader& reader, const PointId& id) {
  if (request_.group_by || has_cursor_) {
    return absl::InvalidArgumentError("why_not takes neither group_by nor a cursor");
  }
  Executor executor(reader, info_.schema, request_.principal, request_.cancel,
                    {.explain = true, .scroll_after = kNoRow, .masks = masks_, .cross = &cross_});
  const absl::StatusOr<RowMask> seen =
      reader.MakeMask(nullptr, request_.principal, request_.cancel);
  if (!seen.ok()) return seen.status();
  const absl::StatusOr<std::optional<RowId>> row = store_.FindPoint(info_.id, id, reader.at());
  if (!row.ok()) return row.status();
  if (!row->has_value() || !reader.IsAllowed(**row, *seen)) {
    return absl::NotFoundError(absl::StrCat("no point ", id.ToString(), " at version ",
                                            reader.at().value, "; it is unknown or retired there"));
  }
  const size_t wanted = request_.offset + request_.limit;
  const size_t cap = request_.query.limit != 0 ? request_.query.limit : QueryLimits::kMaxLimit;
  const absl::StatusOr<Plan> plan =
      MakePlan(request_, reader, {.first_page = wanted, .root_limit = std::min(cap, wanted)});
  if (!plan.ok()) return plan.status();
  const absl::StatusOr<NodeResult> result = executor.Run(*plan);
  if (!result.ok()) return result.status();
  return WhyNotFinder(reader, info_.schema, request_, *plan, executor).Find(**row, *result);
}

SearchResponse Searcher::DescribeOnly(const IndexReader& reader) const {
  const size_t first_page = has_cursor_ ? cursor_.first_page : request_.offset + request_.limit;
  const size_t cap = request_.query.limit != 0 ? request_.query.limit : QueryLimits::kMaxLimit;
  const Plan plan = PlanQuery(
      request_, info_.schema,
      {.first_page = first_page, .root_limit = std::min<size_t>(cap, before() + request_.limit)});
  SearchResponse response;
  response.version = reader.at();
  response.visible_rows = reader.EstimateAllowed(nullptr, request_.principal).total.upper;
  response.plan = DescribePlan(plan, info_.schema, reader, request_.principal);
  response.build_ids = reader.BuildIds();
  return response;
}

absl::StatusOr<Plan> Searcher::MakePlan(const SearchRequest& request, const IndexReader& reader,
                                        PlanDepth depth) const {
  Plan plan = PlanQuery(request, info_.schema, depth);
  ExampleResolver resolver(store_, info_, reader, request_.principal, request_.cancel);
  if (absl::Status status = resolver.Resolve(plan.root); !status.ok()) return status;
  return plan;
}

absl::StatusOr<SearchResponse> Searcher::RunScroll(const IndexReader& reader) {
  const size_t skip = has_cursor_ ? 0 : request_.offset;
  size_t fetch = skip + request_.limit;
  if (request_.query.limit != 0) {
    const uint64_t done = has_cursor_ ? cursor_.consumed : 0;
    fetch = std::min<size_t>(fetch,
                             request_.query.limit - std::min<uint64_t>(done, request_.query.limit));
  }
  absl::StatusOr<Plan> plan = MakePlan(request_, reader, {.first_page = 0, .root_limit = fetch});
  if (!plan.ok()) return plan.status();
  Executor executor(reader, info_.schema, request_.principal, request_.cancel,
                    {.explain = request_.explain,
                     .scroll_after = has_cursor_ ? cursor_.last.row : kNoRow,
                     .masks = masks_, .cross = &cross_,
                     .candidates = request_.candidates, .pool = pool_});
  absl::StatusOr<NodeResult> result = executor.Run(*plan);
  if (!result.ok()) return result.status();
  Page page;
  page.begin = std::min(skip, result->hits.size());
  page.end = result->hits.size();
  page.consumed = before() + (page.end - page.begin);
  absl::StatusOr<SearchResponse> response = Respond(reader, *plan, *result, page, executor);
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
  Executor executor(reader, info_.schema, request_.principal, request_.cancel,
                    {.explain = request_.explain, .scroll_after = kNoRow, .masks = masks_, .cross = &cross_,
                     .candidates = request_.candidates, .pool = pool_});
  for (int run = 1;; ++run) {
    const size_t wanted = std::min<size_t>(cap, skip + request_.limit);
    absl::StatusOr<Plan> plan = MakePlan(request_, reader, {.first_page = first_page, .root_limit = wanted});
    if (!plan.ok()) return plan.status();
    absl::StatusOr<NodeResult> result = executor.Run(*plan);
    if (!result.ok()) return result.status();
    const std::vector<RankedRow>& hits = result->hits;
    Page page;
    page.begin = std::min<size_t>(skip, hits.size());
    if (has_cursor_) page.begin = AfterLast(hits);
    if (page.begin > skip && result->cut && wanted < cap && run < kMaxRuns) {
      skip = page.begin;
      continue;
    }
    page.end = std::min<size_t>(hits.size(), page.begin + request_.limit);
    page.consumed = page.end;
    return Respond(reader, *plan, *result, page, executor);
  }
}

size_t Searcher::AfterLast(const std::vector<RankedRow>& hits) const {
  if (!ranks_by_choice()) {
    return std::upper_bound(hits.begin(), hits.end(), cursor_.last) - hits.begin();
  }
  const auto last = std::find_if(hits.begin(), hits.end(),
                                 [&](const RankedRow& hit) { return hit.row == cursor_.last.row; });
  return last == hits.end() ? std::min<size_t>(cursor_.consumed, hits.size())
                            : last - hits.begin() + 1;
}

absl::StatusOr<SearchResponse> Searcher::RunGrouped(const IndexReader& reader) {
  const size_t wanted = size_t{request_.limit} * request_.group_by->hits;
  const size_t cap = request_.query.limit != 0 ? request_.query.limit : QueryLimits::kMaxLimit;
  const size_t last = std::min(cap, LastGroupDepth(*request_.group_by, wanted));
  const GroupLimits limits{.field = info_.schema.FindPayload(request_.group_by->path),
                           .groups = request_.limit,
                           .hits = request_.group_by->hits};
  const bool asks_for_members = CanAskForMembers(
      request_, info_.schema.payload[static_cast<size_t>(limits.field)].type);
  size_t depth = std::min(last, FirstGroupDepth(asks_for_members ? request_.limit : wanted));
  const Executor::Options options{.explain = request_.explain, .scroll_after = kNoRow, .masks = masks_, .cross = &cross_,
                                  .candidates = request_.candidates, .pool = pool_};
  Executor executor(reader, info_.schema, request_.principal, request_.cancel, options);
  // Where members are asked for: their request, what runs it, and the request's own plan and what it found.
  std::optional<SearchRequest> of_members;
  std::optional<Executor> members_executor;
  std::optional<Plan> own_plan;
  std::vector<RankedRow> known;
  for (;;) {
    absl::StatusOr<Plan> plan = MakePlan(of_members ? *of_members : request_, reader,
                                         {.first_page = wanted, .root_limit = depth});
    if (!plan.ok()) return plan.status();
    absl::StatusOr<NodeResult> result = (of_members ? *members_executor : executor).Run(*plan);
    if (!result.ok()) return result.status();
    if (of_members) result->hits = Union(known, result->hits);
    const absl::StatusOr<GroupedHits> grouped =
        GroupHits(reader, result->hits, limits, request_.cancel);
    if (!grouped.ok()) return grouped.status();
    if (!grouped->full && result->cut && depth < last) {
      const bool all_known = grouped->groups.size() == limits.groups;
      if (all_known && asks_for_members && !of_members) {
        of_members = RequestOfMembers(request_, *grouped);
        members_executor.emplace(reader, info_.schema, request_.principal, request_.cancel, options);
        own_plan = *std::move(plan);
        known = std::move(result->hits);
        depth = std::min(last, FirstGroupDepth(wanted));
      } else {
        depth = std::min(last, kGroupDepthGrowth * depth);
      }
      continue;
    }
    std::vector<RankedRow> shown;
    SearchResponse response;
    for (const GroupedHits::Group& group : grouped->groups) {
      shown.insert(shown.end(), group.hits.begin(), group.hits.end());
      response.groups.push_back({group.value, static_cast<uint32_t>(group.hits.size())});
    }
    absl::Status status =
        FillHits(reader, own_plan ? *own_plan : *plan, *result, shown, executor, response);
    if (!status.ok()) return status;
    return response;
  }
}

absl::Status Searcher::FillHits(const IndexReader& reader, const Plan& plan,
                                const NodeResult& result, std::span<const RankedRow> shown,
                                Executor& executor, SearchResponse& response) const {
  response.version = reader.at();
  response.hits.reserve(shown.size());
  for (const RankedRow& row : shown) {
    PointHit& hit = response.hits.emplace_back();
    hit.id = reader.IdOf(row.row);
    hit.row = row.row;
    hit.score = row.score;
  }
  absl::Status status = FetchHits(store_, info_, request_.projection, response.hits);
  if (status.ok() && request_.highlight) {
    const absl::StatusOr<Highlighter> highlighter =
        Highlighter::Make(reader, info_.schema, plan.root);
    if (!highlighter.ok()) return highlighter.status();
    status = highlighter->Mark(store_, info_, response.hits, request_.cancel);
  }
  if (status.ok() && request_.explain) {
    Ledger ledger(reader, info_.schema, plan, result, executor);
    status = ledger.AddPlan(response);
    if (status.ok()) status = ledger.ExplainHits(response.hits);
  }
  if (status.ok() && !request_.facets.empty()) {
    const absl::StatusOr<const RowMask*> mask = executor.MaskOf(plan, 0);
    if (!mask.ok()) return mask.status();
    absl::StatusOr<std::vector<Facet>> facets =
        CountFacets(reader, info_.schema, request_.facets, **mask, request_.cancel);
    if (!facets.ok()) return facets.status();
    response.facets = *std::move(facets);
  }
  response.warnings = cross_.Warnings();
  response.build_ids = reader.BuildIds();
  return status;
}

absl::StatusOr<SearchResponse> Searcher::Respond(const IndexReader& reader, const Plan& plan,
                                                 const NodeResult& result, const Page& page,
                                                 Executor& executor) const {
  absl::StatusOr<SearchResponse> response{SearchResponse()};
  const std::span<const RankedRow> shown =
      std::span(result.hits).subspan(page.begin, page.end - page.begin);
  absl::Status status = FillHits(reader, plan, result, shown, executor, *response);
  if (!status.ok()) return status;
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
