#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <utility>

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
      Fill(*std::move(response), reply);
      return absl::OkStatus();
    });
  }

 private:
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
    search.principal = PrincipalOf(context);
    return search;
  }

  static void Fill(SearchResponse&& response, v1::SearchResponse* reply) {
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
      for (QueryTerm& term : step.terms) {
        v1::QueryTerm* added = message->add_terms();
        added->set_term(std::move(term.term));
        added->set_weight(term.weight);
        added->set_added(term.added);
      }
    }
    for (std::string& id : response.build_ids) reply->add_build_ids(std::move(id));
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewSearchService(const ServiceContext& context) {
  return std::make_unique<SearchService>(context);
}

}  // namespace vouch
