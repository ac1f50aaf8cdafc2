#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/delivery_services.h"
#include "api/grpc/request.h"
#include "rag/pipeline_store.h"
#include "vouch/v1/delivery.grpc.pb.h"

namespace vouch {
namespace {

absl::Status Named(const char* kind, const std::string& name, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(kind, " '", name, "': ", status.message()));
}

class DeliveryService final : public v1::Delivery::Service {
 public:
  explicit DeliveryService(const ServiceContext& context) : services_(context) {}

  grpc::Status Promote(grpc::ServerContext* context, const v1::PromoteRequest* request,
                       v1::Promotion* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      vouch::PromoteRequest promote{.pipeline = request->pipeline(),
                                    .alias = request->alias(),
                                    .reason = request->reason(),
                                    .force = request->force(),
                                    .dry_run = request->dry_run(),
                                    .principal = PrincipalOf(*context),
                                    .cancel = CancelOf(*context)};
      if (request->has_expected_revision())
        promote.expected_revision = request->expected_revision();
      const absl::StatusOr<Promotion> promotion = MakePromoter().Promote(promote);
      if (!promotion.ok()) return promotion.status();
      FillPromotion(*promotion, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status Rollback(grpc::ServerContext* context, const v1::RollbackRequest* request,
                        v1::Promotion* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      vouch::RollbackRequest rollback{.pipeline = request->pipeline(),
                                      .alias = request->alias(),
                                      .reason = request->reason(),
                                      .force = request->force(),
                                      .principal = PrincipalOf(*context),
                                      .cancel = CancelOf(*context)};
      if (request->has_expected_revision())
        rollback.expected_revision = request->expected_revision();
      const absl::StatusOr<Promotion> promotion = MakePromoter().Rollback(rollback);
      if (!promotion.ok()) return promotion.status();
      FillPromotion(*promotion, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status ApplyGate(grpc::ServerContext* context, const v1::ApplyGateRequest* request,
                         v1::ApplyGateResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const GateSpec spec = GateSpecOf(request->spec());
      absl::Status status = CheckGate(spec);
      // What it is about may be applied by the same files, after a dry run of them.
      if (status.ok() && !request->dry_run()) status = CheckPipelineOf(*context, spec.pipeline);
      if (!status.ok()) return Named("gate", spec.name, status);
      absl::StatusOr<SpecStore::Applied> applied =
          Gates().Apply(PrincipalOf(*context).tenant, spec.name, GateToJson(spec),
                        request->dry_run(), ActorOf(*context));
      if (!applied.ok()) return applied.status();
      reply->set_changed(applied->changed);
      reply->set_previous(std::move(applied->previous));
      return FillGate(applied->version, reply->mutable_gate());
    });
  }

  grpc::Status GetGate(grpc::ServerContext* context, const v1::GetGateRequest* request,
                       v1::Gate* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<SpecVersion> version =
          Gates().Get(PrincipalOf(*context).tenant, request->name());
      if (!version.ok()) return version.status();
      return FillGate(*version, reply);
    });
  }

  grpc::Status ListGates(grpc::ServerContext* context, const v1::ListGatesRequest*,
                         v1::ListGatesResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<std::vector<SpecVersion>> versions =
          Gates().List(PrincipalOf(*context).tenant);
      if (!versions.ok()) return versions.status();
      for (const SpecVersion& version : *versions) {
        if (absl::Status status = FillGate(version, reply->add_gates()); !status.ok())
          return status;
      }
      return absl::OkStatus();
    });
  }

  grpc::Status RemoveGate(grpc::ServerContext* context, const v1::RemoveGateRequest* request,
                          v1::RemoveGateResponse*) override {
    return Serve(services_, *context, [&] {
      return Gates().Remove(PrincipalOf(*context).tenant, request->name(), ActorOf(*context));
    });
  }

  grpc::Status ApplySlo(grpc::ServerContext* context, const v1::ApplySloRequest* request,
                        v1::ApplySloResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<SloSpec> spec = SloSpecOf(request->spec());
      absl::Status status = spec.ok() ? CheckSlo(*spec) : spec.status();
      if (status.ok() && !request->dry_run()) status = CheckPipelineOf(*context, spec->pipeline);
      if (!status.ok()) return Named("slo", request->spec().name(), status);
      absl::StatusOr<SpecStore::Applied> applied =
          Slos().Apply(PrincipalOf(*context).tenant, spec->name, SloToJson(*spec),
                       request->dry_run(), ActorOf(*context));
      if (!applied.ok()) return applied.status();
      reply->set_changed(applied->changed);
      reply->set_previous(std::move(applied->previous));
      return FillSlo(applied->version, reply->mutable_slo());
    });
  }

  grpc::Status GetSlo(grpc::ServerContext* context, const v1::GetSloRequest* request,
                      v1::Slo* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<SpecVersion> version =
          Slos().Get(PrincipalOf(*context).tenant, request->name());
      if (!version.ok()) return version.status();
      v1::ListSlosResponse list;
      if (absl::Status status = FillSlos(*context, {*version}, &list); !status.ok()) return status;
      *reply = std::move(*list.mutable_slos(0));
      return absl::OkStatus();
    });
  }

  grpc::Status ListSlos(grpc::ServerContext* context, const v1::ListSlosRequest*,
                        v1::ListSlosResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<std::vector<SpecVersion>> versions =
          Slos().List(PrincipalOf(*context).tenant);
      if (!versions.ok()) return versions.status();
      return FillSlos(*context, *versions, reply);
    });
  }

  grpc::Status RemoveSlo(grpc::ServerContext* context, const v1::RemoveSloRequest* request,
                         v1::RemoveSloResponse*) override {
    return Serve(services_, *context, [&] {
      return Slos().Remove(PrincipalOf(*context).tenant, request->name(), ActorOf(*context));
    });
  }

 private:
  Store& store() const { return services_.database->store(); }
  const Clock& clock() const { return services_.database->clock(); }
  SpecStore Gates() const { return SpecStore(store(), clock(), Promoter::kGateKind); }
  SpecStore Slos() const { return SpecStore(store(), clock(), Promoter::kSloKind); }
  Promoter MakePromoter() const { return Promoter(store(), clock(), services_.hooks); }

  absl::Status CheckPipelineOf(const grpc::ServerContext& context, const std::string& name) const {
    return PipelineStore(store(), clock()).Get(PrincipalOf(context).tenant, name).status();
  }

  absl::Status FillSlos(const grpc::ServerContext& context,
                        const std::vector<SpecVersion>& versions,
                        v1::ListSlosResponse* reply) const {
    std::vector<SloSpec> specs;
    for (const SpecVersion& version : versions) {
      absl::StatusOr<SloSpec> spec = SloFromJson(version.canonical);
      if (!spec.ok()) return spec.status();
      specs.push_back(*std::move(spec));
    }
    const absl::StatusOr<std::vector<SloStatus>> states =
        SloReader(store(), clock()).Read(PrincipalOf(context).tenant, specs);
    if (!states.ok()) return states.status();
    for (size_t i = 0; i < versions.size(); ++i) {
      v1::Slo* slo = reply->add_slos();
      if (absl::Status status = FillSlo(versions[i], slo); !status.ok()) return status;
      FillSloStatus((*states)[i], slo);
    }
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewDeliveryService(const ServiceContext& context) {
  return std::make_unique<DeliveryService>(context);
}

}  // namespace vouch
