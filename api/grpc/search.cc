#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "vouch/v1/search.grpc.pb.h"

namespace vouch {
namespace {

class SearchService final : public v1::Search::Service {
 public:
  explicit SearchService(const ServiceContext& context) : services_(context) {}

  grpc::Status Search(grpc::ServerContext* context, const v1::SearchRequest* request,
                      v1::SearchResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<SearchRequest> search = Convert(*context, *request, **collection, reply);
      if (!search.ok()) return search.status();
      absl::StatusOr<SearchResponse> response = (*collection)->Search(*search);
      if (!response.ok()) return response.status();
      Fill(*std::move(response), *search, (*collection)->schema(), reply);
      return absl::OkStatus();
    });
  }

  grpc::Status SearchBatch(grpc::ServerContext* context, const v1::SearchBatchRequest* request,
                           v1::SearchBatchResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<Version> version = ResolveRead(**collection, request->at(), "");
      if (!version.ok()) return version.status();
      if (static_cast<size_t>(request->requests_size()) > Collection::kMaxBatch) {
        return absl::InvalidArgumentError(absl::StrCat(
            request->requests_size(), " requests in one batch, over ", Collection::kMaxBatch));
      }
      std::vector<SearchRequest> searches;
      for (int i = 0; i < request->requests_size(); ++i) {
        absl::StatusOr<SearchRequest> search =
            ConvertOfBatch(*context, request->requests(i), *version, **collection,
                           reply->add_responses());
        if (!search.ok()) {
          return absl::Status(search.status().code(),
                              absl::StrCat("requests[", i, "]: ", search.status().message()));
        }
        searches.push_back(*std::move(search));
      }
      absl::StatusOr<std::vector<SearchResponse>> responses = (*collection)->SearchBatch(searches);
      if (!responses.ok()) return responses.status();
      reply->set_version(version->value);
      for (size_t i = 0; i < responses->size(); ++i) {
        Fill(std::move((*responses)[i]), searches[i], (*collection)->schema(),
             reply->mutable_responses(static_cast<int>(i)));
      }
      return absl::OkStatus();
    });
  }

  grpc::Status WhyNot(grpc::ServerContext* context, const v1::WhyNotRequest* request,
                      v1::WhyNotResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->request().collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<PointId> id = PointIdOf(request->id());
      if (!id.ok()) return id.status();
      v1::SearchResponse unused;  // says by what a question in words was embedded
      absl::StatusOr<SearchRequest> search =
          Convert(*context, request->request(), **collection, &unused);
      if (!search.ok()) return search.status();
      absl::StatusOr<WhyNotResponse> response = (*collection)->WhyNot(*search, *id);
      if (!response.ok()) return response.status();
      reply->set_version(response->version.value);
      reply->set_rank(response->rank);
      reply->set_verdict(std::move(response->verdict));
      for (WhyNotStage& stage : response->stages) {
        v1::WhyNotStage* message = reply->add_stages();
        message->set_node(std::move(stage.node));
        message->set_gave(stage.gave);
        if (stage.rank) message->set_rank(*stage.rank);
        if (stage.score) message->set_score(*stage.score);
        if (stage.cutoff) message->set_cutoff(*stage.cutoff);
        message->set_limit(stage.limit);
        message->set_reason(std::move(stage.reason));
      }
      return absl::OkStatus();
    });
  }

 private:
  absl::StatusOr<SearchRequest> ConvertOfBatch(const grpc::ServerContext& context,
                                               const v1::SearchRequest& request, Version version,
                                               Collection& collection, v1::SearchResponse* reply) {
    if (!request.collection().empty() || !request.at().empty()) {
      return absl::InvalidArgumentError(
          "collection and at are those of the batch; leave them out here");
    }
    if (!request.cursor().empty()) {
      return absl::InvalidArgumentError("a cursor names its own version; send it alone");
    }
    v1::SearchRequest own = request;
    own.set_at(absl::StrCat("v", version.value));
    return Convert(context, own, collection, reply);
  }

  // Says in the reply by what a question in words was embedded and fused.
  absl::StatusOr<SearchRequest> Convert(const grpc::ServerContext& context,
                                        const v1::SearchRequest& request, Collection& collection,
                                        v1::SearchResponse* reply) {
    absl::StatusOr<Version> version = ResolveRead(collection, request.at(), request.cursor());
    if (!version.ok()) return version.status();
    SearchRequest search;
    search.at = ReadAt{*version};
    search.cursor = request.cursor();
    search.cancel = CancelOf(context);
    // A text is embedded by the model of the version that is read, so the version comes first.
    const QueryContext query_context{collection, *services_.embedders, *version, search.cancel};
    absl::StatusOr<ConvertedQuery> query = QueryOf(v1::QueryNode(request.query()), query_context);
    if (!query.ok()) return query.status();
    search.query = std::move(query->root);
    reply->set_embedder(std::move(query->embedder));
    reply->set_fusion(std::move(query->fusion));
    absl::StatusOr<std::optional<Filter>> filter = OptionalFilterOf(request);
    if (!filter.ok()) return filter.status();
    search.filter = *std::move(filter);
    search.limit = request.limit() == 0 ? ApiLimits::kDefaultSearchLimit : request.limit();
    search.offset = request.offset();
    search.projection = ProjectionOf(request.projection());
    search.explain = request.explain();
    search.plan_only = request.plan_only();
    search.highlight = request.highlight();
    if (request.has_group_by()) {
      search.group_by = GroupBy{.path = request.group_by().path(),
                                .hits = std::max(1u, request.group_by().hits()),
                                .candidates = request.group_by().candidates()};
    }
    for (const v1::FacetRequest& facet : request.facets()) {
      search.facets.push_back({.path = facet.path(),
                               .limit = facet.limit() == 0 ? 10 : facet.limit(),
                               .by_value = facet.by_value()});
    }
    search.principal = PrincipalOf(context);
    return search;
  }

  static PayloadType TypeOf(const CollectionSchema& schema, const std::string& path) {
    const int field = schema.FindPayload(path);
    return field < 0 ? PayloadType::kKeyword : schema.payload[static_cast<size_t>(field)].type;
  }

  static void FillGroupsAndFacets(const SearchResponse& response, const SearchRequest& request,
                                  const CollectionSchema& schema, v1::SearchResponse* reply) {
    for (const HitGroup& group : response.groups) {
      v1::HitGroup* message = reply->add_groups();
      FillValue(group.value, TypeOf(schema, request.group_by->path), message->mutable_value());
      message->set_hits(group.hits);
    }
    for (const Facet& facet : response.facets) {
      v1::Facet* message = reply->add_facets();
      message->set_path(facet.path);
      message->set_distinct(facet.distinct);
      for (const ValueCount& count : facet.values) {
        v1::ValueCount* value = message->add_values();
        FillValue(count.value, TypeOf(schema, facet.path), value->mutable_value());
        value->set_points(count.rows);
      }
    }
  }

  static void Fill(SearchResponse&& response, const SearchRequest& request,
                   const CollectionSchema& schema, v1::SearchResponse* reply) {
    FillGroupsAndFacets(response, request, schema, reply);
    reply->set_version(response.version.value);
    reply->mutable_hits()->Reserve(static_cast<int>(response.hits.size()));
    for (PointHit& hit : response.hits) FillHit(std::move(hit), reply->add_hits());
    reply->set_next_cursor(std::move(response.next_cursor));
    reply->set_visible_rows(response.visible_rows);
    reply->set_allowed_rows(response.allowed_rows);
    for (PlanStep& step : response.plan) {
      v1::PlanStep* message = reply->add_plan();
      message->set_node(std::move(step.node));
      message->set_plan(std::move(step.plan));
      message->set_hits(step.hits);
      message->set_distances(step.distances);
      message->set_rows_visited(step.rows_visited);
      message->set_time_us(step.time_us);
      if (step.recall_estimate >= 0) message->set_recall_estimate(step.recall_estimate);
      for (QueryTerm& term : step.terms) {
        v1::QueryTerm* added = message->add_terms();
        added->set_term(std::move(term.term));
        added->set_weight(term.weight);
        added->set_added(term.added);
      }
    }
    for (std::string& id : response.build_ids) reply->add_build_ids(std::move(id));
    for (std::string& warning : response.warnings) reply->add_warnings(std::move(warning));
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewSearchService(const ServiceContext& context) {
  return std::make_unique<SearchService>(context);
}

}  // namespace vouch
