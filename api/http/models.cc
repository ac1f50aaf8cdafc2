// GET /v1/models: what a chat or an embedding may name as its model.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/http/http_context.h"
#include "api/http/http_status.h"
#include "nlohmann/json.hpp"
#include "vouch/v1/collections.pb.h"
#include "vouch/v1/pipelines.pb.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

Json ModelOf(const std::string& id, int64_t created_us) {
  return {{"id", id},
          {"object", "model"},
          {"created", created_us / 1'000'000},
          {"owned_by", "vouchdb"}};
}

void RefuseModels(const absl::Status& status, httplib::Response* response) {
  response->status = HttpStatusOf(status.code());
  response->set_content(OpenAiErrorJson(status), "application/json");
}

// Pipelines, with their aliases, and collections.
absl::StatusOr<std::vector<Json>> ListModels(const HttpContext& context, const RpcOptions& options) {
  std::vector<Json> models;
  v1::ListPipelinesResponse pipelines;
  absl::Status status = CallUnary(context.channel, "vouch.v1.Pipelines/ListPipelines",
                                  v1::ListPipelinesRequest(), &pipelines, options);
  if (!status.ok()) return status;
  for (const v1::Pipeline& pipeline : pipelines.pipelines()) {
    models.push_back(ModelOf(pipeline.spec().name(), pipeline.created_us()));
    for (const v1::PipelineAlias& alias : pipeline.aliases()) {
      models.push_back(ModelOf(absl::StrCat(pipeline.spec().name(), "@", alias.name()),
                               pipeline.created_us()));
    }
  }
  v1::ListCollectionsResponse collections;
  status = CallUnary(context.channel, "vouch.v1.Collections/ListCollections",
                     v1::ListCollectionsRequest(), &collections, options);
  if (!status.ok()) return status;
  for (const v1::Collection& collection : collections.collections()) {
    models.push_back(ModelOf("collection:" + collection.name(), collection.created_us()));
  }
  return models;
}

}  // namespace

void ServeModels(const HttpContext& context, const httplib::Request& request, const std::string&,
                 httplib::Response* response) {
  const absl::StatusOr<RpcOptions> options = RpcOptionsOf(request);
  if (!options.ok()) return RefuseModels(options.status(), response);
  const absl::StatusOr<std::vector<Json>> models = ListModels(context, *options);
  if (!models.ok()) return RefuseModels(models.status(), response);
  response->status = 200;
  constexpr std::string_view kPath = "/v1/models/";
  if (!request.path.starts_with(kPath)) {
    return response->set_content(Json{{"object", "list"}, {"data", *models}}.dump(),
                                 "application/json");
  }
  const std::string id = request.path.substr(kPath.size());
  for (const Json& model : *models) {
    if (model["id"] == id) return response->set_content(model.dump(), "application/json");
  }
  RefuseModels(absl::NotFoundError(absl::StrCat("there is no model '", id, "'; GET /v1/models lists all")),
       response);
}

}  // namespace vouch
