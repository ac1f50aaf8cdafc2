#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "rag/deliver/promoter.h"
#include "rag/pipeline_store.h"
#include "vouch/v1/pipelines.grpc.pb.h"

namespace vouch {
namespace {

class PipelinesService final : public v1::Pipelines::Service {
 public:
  explicit PipelinesService(const ServiceContext& context) : services_(context) {}

  grpc::Status ApplyPipeline(grpc::ServerContext* context, const v1::ApplyPipelineRequest* request,
                             v1::ApplyPipelineResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<PipelineSpec> spec = PipelineSpecOf(request->spec());
      if (!spec.ok()) return spec.status();
      if (absl::Status status = CheckPipeline(*spec); !status.ok()) return status;
      if (!request->dry_run()) {
        if (absl::Status status = CheckAgainstCollection(*context, *spec); !status.ok())
          return status;
        if (absl::Status status = AskHooksOf(*context, *spec); !status.ok()) return status;
      }
      absl::StatusOr<PipelineStore::Applied> applied =
          Store().Apply(PrincipalOf(*context).tenant, *spec, request->dry_run(), ActorOf(*context));
      if (!applied.ok()) return applied.status();
      reply->set_changed(applied->changed);
      reply->set_previous(std::move(applied->previous));
      return Fill(*context, applied->version, reply->mutable_pipeline());
    });
  }

  grpc::Status GetPipeline(grpc::ServerContext* context, const v1::GetPipelineRequest* request,
                           v1::Pipeline* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const auto version = Store().Get(PrincipalOf(*context).tenant, request->name());
      if (!version.ok()) return version.status();
      return Fill(*context, **version, reply);
    });
  }

  grpc::Status ListPipelines(grpc::ServerContext* context, const v1::ListPipelinesRequest*,
                             v1::ListPipelinesResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const std::string tenant = PrincipalOf(*context).tenant;
      const absl::StatusOr<std::vector<std::string>> names = Store().Names(tenant);
      if (!names.ok()) return names.status();
      for (const std::string& name : *names) {
        const auto version = Store().Get(tenant, name);
        if (absl::IsNotFound(version.status())) continue;  // removed meanwhile
        if (!version.ok()) return version.status();
        if (absl::Status status = Fill(*context, **version, reply->add_pipelines()); !status.ok())
          return status;
      }
      return absl::OkStatus();
    });
  }

  grpc::Status SetPipelineAlias(grpc::ServerContext* context,
                                const v1::SetPipelineAliasRequest* request,
                                v1::Pipeline* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const std::string tenant = PrincipalOf(*context).tenant;
      PromoteRequest promote{.pipeline = request->name(),
                             .alias = request->alias(),
                             .principal = PrincipalOf(*context),
                             .cancel = CancelOf(*context)};
      if (request->number() != 0) absl::StrAppend(&promote.pipeline, "@", request->number());
      const absl::StatusOr<Promotion> promotion =
          Promoter(services_.database->store(), services_.database->clock(), services_.hooks)
              .Promote(promote);
      if (!promotion.ok()) return promotion.status();
      if (!promotion->moved && !promotion->already)
        return absl::FailedPreconditionError(promotion->says);
      const auto version =
          Store().Get(tenant, absl::StrCat(request->name(), "@", request->alias()));
      if (!version.ok()) return version.status();
      return Fill(*context, **version, reply);
    });
  }

  grpc::Status RemovePipeline(grpc::ServerContext* context,
                              const v1::RemovePipelineRequest* request,
                              v1::RemovePipelineResponse*) override {
    return Serve(services_, *context, [&] {
      return Store().Remove(PrincipalOf(*context).tenant, request->name(), ActorOf(*context));
    });
  }

 private:
  PipelineStore Store() const {
    return PipelineStore(services_.database->store(), services_.database->clock());
  }

  // NOT_FOUND where there is no such collection; of a query of its own, what is wrong with it. What
  // cannot be said yet, since nothing is ingested, is said when it is asked.
  absl::Status CheckAgainstCollection(const grpc::ServerContext& context,
                                      const PipelineSpec& spec) const {
    const auto collection =
        services_.database->GetCollection(PrincipalOf(context), spec.collection);
    if (!collection.ok()) {
      return absl::Status(collection.status().code(),
                          absl::StrCat("pipeline ", spec.name, ": ", collection.status().message()));
    }
    if (spec.retrieve.query.empty()) return absl::OkStatus();
    const absl::StatusOr<Version> version = (*collection)->Resolve(ReadAt{});
    if (!version.ok()) return version.status();
    const absl::StatusOr<TextQuery> tree = PipelineTrees(*services_.embedders)(
        spec.retrieve.query, "question", **collection, *version, CancelOf(context));
    absl::Status status = tree.ok() ? ValidateQuery(tree->root, (*collection)->schema())
                                    : tree.status();
    if (!absl::IsInvalidArgument(status) || absl::StrContains(status.message(), "says nothing"))
      return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("pipeline ", spec.name, ": retrieve.query: ", status.message()));
  }

  // Where it would change something.
  absl::Status AskHooksOf(const grpc::ServerContext& context, const PipelineSpec& spec) const {
    if (services_.hooks == nullptr) return absl::OkStatus();
    const std::string tenant = PrincipalOf(context).tenant;
    const auto planned = Store().Apply(tenant, spec, /*dry_run=*/true);
    if (!planned.ok() || !planned->changed) return planned.status();
    return AskHooks(services_.hooks,
                    BeforeEvent(tenant, "before.pipeline", absl::StrCat("pipeline/", spec.name),
                                PipelineToJson(spec), services_.database->clock().NowMicros()),
                    CancelOf(context));
  }

  absl::Status Fill(const grpc::ServerContext& context, const PipelineVersion& version,
                    v1::Pipeline* message) const {
    FillPipelineSpec(version.spec, message->mutable_spec());
    message->set_number(version.number);
    message->set_hash(version.hash);
    message->set_created_us(version.created_us);
    message->set_canonical(PipelineToJson(version.spec));
    const absl::StatusOr<PipelineStore::Aliases> aliases =
        Store().AliasesOf(PrincipalOf(context).tenant, version.spec.name);
    if (!aliases.ok()) return aliases.status();
    for (const auto& [name, number] : *aliases) {
      v1::PipelineAlias* alias = message->add_aliases();
      alias->set_name(name);
      alias->set_number(number);
    }
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewPipelinesService(const ServiceContext& context) {
  return std::make_unique<PipelinesService>(context);
}

}  // namespace vouch
