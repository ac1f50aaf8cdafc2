#include <grpcpp/grpcpp.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert_drift.h"
#include "api/grpc/drift_services.h"
#include "api/grpc/request.h"
#include "rag/answer.h"
#include "rag/eval/dataset_store.h"
#include "rag/pipeline_store.h"
#include "vouch/v1/drift.grpc.pb.h"

namespace vouch {
namespace {

constexpr size_t kMaxTextBytes = 300;

class DriftService final : public v1::Drift::Service {
 public:
  explicit DriftService(const ServiceContext& context) : services_(context) {}

  grpc::Status ApplyDriftMonitor(grpc::ServerContext* context,
                                 const v1::ApplyDriftMonitorRequest* request,
                                 v1::ApplyDriftMonitorResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<DriftSpec> spec = DriftSpecOf(request->spec());
      absl::Status status = spec.ok() ? vouch::CheckDrift(*spec) : spec.status();
      // What it watches may be applied by the same files, after a dry run of them.
      if (status.ok() && !request->dry_run()) status = CheckWatched(*context, *spec);
      if (!status.ok()) {
        return absl::Status(status.code(), absl::StrCat("drift '", request->spec().name(),
                                                        "': ", status.message()));
      }
      absl::StatusOr<SpecStore::Applied> applied =
          Monitors().Apply(PrincipalOf(*context).tenant, spec->name, DriftToJson(*spec),
                           request->dry_run(), ActorOf(*context));
      if (!applied.ok()) return applied.status();
      reply->set_changed(applied->changed);
      reply->set_previous(std::move(applied->previous));
      return FillDriftMonitor(applied->version, reply->mutable_monitor());
    });
  }

  grpc::Status GetDriftMonitor(grpc::ServerContext* context,
                               const v1::GetDriftMonitorRequest* request,
                               v1::DriftMonitor* reply) override {
    return Serve(services_, *context,
                 [&] { return FillWhole(*context, request->name(), reply); });
  }

  grpc::Status ListDriftMonitors(grpc::ServerContext* context, const v1::ListDriftMonitorsRequest*,
                                 v1::ListDriftMonitorsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const std::string tenant = PrincipalOf(*context).tenant;
      const absl::StatusOr<std::vector<SpecVersion>> versions = Monitors().List(tenant);
      if (!versions.ok()) return versions.status();
      for (const SpecVersion& version : *versions) {
        v1::DriftMonitor* message = reply->add_monitors();
        absl::Status status = FillDriftMonitor(version, message);
        if (!status.ok()) return status;
        const absl::StatusOr<DriftState> state =
            MakeDriftMonitor(services_).ReadState(tenant, version.name);
        if (!state.ok()) return state.status();
        FillDriftState(*state, message);
        message->mutable_reference()->set_number(state->reference);
      }
      return absl::OkStatus();
    });
  }

  grpc::Status RemoveDriftMonitor(grpc::ServerContext* context,
                                  const v1::RemoveDriftMonitorRequest* request,
                                  v1::RemoveDriftMonitorResponse*) override {
    return Serve(services_, *context, [&] {
      return Monitors().Remove(PrincipalOf(*context).tenant, request->name(), ActorOf(*context));
    });
  }

  grpc::Status MakeDriftReference(grpc::ServerContext* context,
                                  const v1::MakeDriftReferenceRequest* request,
                                  v1::DriftReference* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<DriftReference> reference = MakeDriftMonitor(services_).MakeReference(
          PrincipalOf(*context).tenant, request->monitor(), ActorOf(*context), CancelOf(*context));
      if (!reference.ok()) return reference.status();
      FillDriftReference(*reference, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status CheckDrift(grpc::ServerContext* context, const v1::CheckDriftRequest* request,
                          v1::DriftMonitor* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<DriftState> state = MakeDriftMonitor(services_).Check(
          PrincipalOf(*context).tenant, request->monitor(), CancelOf(*context));
      if (!state.ok()) return state.status();
      return FillWhole(*context, request->monitor(), reply);
    });
  }

 private:
  Store& store() const { return services_.database->store(); }
  SpecStore Monitors() const {
    return SpecStore(store(), services_.database->clock(), DriftMonitor::kKind);
  }

  absl::Status CheckWatched(const grpc::ServerContext& context, const DriftSpec& spec) const {
    const Principal principal = PrincipalOf(context);
    const PipelineStore pipelines(store(), services_.database->clock());
    absl::Status status =
        spec.pipeline.empty()
            ? services_.database->GetCollection(principal, spec.collection).status()
            : pipelines.Get(principal.tenant, spec.pipeline).status();
    // At the alarm a misspelt name would be found too late: the cool-down is spent by then.
    if (status.ok() && !spec.evaluate_pipeline.empty()) {
      status = At("on_alarm.evaluate.pipeline",
                  pipelines.Get(principal.tenant, spec.evaluate_pipeline).status());
      if (status.ok()) status = At("on_alarm.evaluate.dataset", CheckDataset(principal, spec));
    }
    if (status.ok() && !spec.reembed_with.empty())
      status = At("on_alarm.reembed.embedder", CheckEmbedder(spec.reembed_with));
    return status;
  }

  static absl::Status At(std::string_view field, const absl::Status& status) {
    if (status.ok()) return status;
    return absl::Status(status.code(), absl::StrCat(std::string(field), ": ", status.message()));
  }

  absl::Status CheckDataset(const Principal& principal, const DriftSpec& spec) const {
    const absl::StatusOr<DatasetRef> ref = ParseDatasetRef(spec.evaluate_dataset);
    if (!ref.ok()) return ref.status();
    return DatasetStore(EvaluationRecords::Of(store()), principal.tenant).GetInfo(*ref).status();
  }

  absl::Status CheckEmbedder(const std::string& spec) const {
    const auto info = EmbedderRegistry::ParseSpec(spec);
    if (!info.ok() || info->trained) return info.status();
    return services_.embedders->Create(spec).status();
  }

  absl::Status FillWhole(const grpc::ServerContext& context, const std::string& name,
                         v1::DriftMonitor* reply) const {
    const Principal principal = PrincipalOf(context);
    const absl::StatusOr<SpecVersion> version = Monitors().Get(principal.tenant, name);
    if (!version.ok()) return version.status();
    absl::Status status = FillDriftMonitor(*version, reply);
    if (!status.ok()) return status;
    const DriftMonitor monitor = MakeDriftMonitor(services_);
    const absl::StatusOr<DriftState> state = monitor.ReadState(principal.tenant, version->name);
    if (!state.ok()) return state.status();
    FillDriftState(*state, reply);
    std::string collection;
    if (state->reference != 0) {
      const absl::StatusOr<DriftReference> reference = ReadDriftReference(
          EvaluationRecords::Of(store()), principal.tenant, version->name, state->reference);
      if (!reference.ok()) return reference.status();
      FillDriftReference(*reference, reply->mutable_reference());
      collection = reference->collection;
    }
    const absl::StatusOr<std::vector<DriftAlarm>> alarms =
        monitor.Alarms(principal.tenant, version->name);
    if (!alarms.ok()) return alarms.status();
    for (const DriftAlarm& alarm : *alarms) FillDriftAlarm(alarm, reply->add_alarms());
    for (v1::DriftLook& look : *reply->mutable_kinds()) FillTexts(principal, collection, &look);
    if (reply->alarms_size() == 0) return absl::OkStatus();
    v1::DriftAlarm& latest = *reply->mutable_alarms(0);
    for (v1::DriftLook& look : *latest.mutable_kinds()) FillTexts(principal, latest.collection(), &look);
    return absl::OkStatus();
  }

  // Texts are read where they stand, so that what was erased there is not shown here.
  void FillTexts(const Principal& principal, const std::string& collection,
                 v1::DriftLook* look) const {
    for (v1::DriftExample& example : *look->mutable_examples()) {
      if (look->kind() == DriftKindName(DriftKind::kQueries) ||
          look->kind() == DriftKindName(DriftKind::kIndex)) {
        const absl::StatusOr<Answer> answer =
            GetAnswer(*services_.database, principal, example.id());
        if (answer.ok()) example.set_text(Shortened(answer->question));
      } else if (look->kind() == DriftKindName(DriftKind::kCorpus)) {
        example.set_text(Shortened(TextOfPoint(principal, collection, example.id())));
      }
    }
  }

  std::string TextOfPoint(const Principal& principal, const std::string& collection,
                          const std::string& id) const {
    const auto opened = services_.database->GetCollection(principal, collection);
    const absl::StatusOr<PointId> point = PointId::FromString(id);
    if (!opened.ok() || !point.ok()) return "";
    const PointId ids[] = {*point};
    const auto hits = (*opened)->Get(ids, {}, {.payload_keys = {"text"}}, principal);
    if (!hits.ok() || !hits->front().has_value()) return "";
    const auto payload =
        nlohmann::json::parse((*hits)[0]->payload, nullptr, /*allow_exceptions=*/false);
    if (!payload.is_object() || !payload.contains("text") || !payload["text"].is_string()) return "";
    return payload["text"].get<std::string>();
  }

  static std::string Shortened(const std::string& text) {
    if (text.size() <= kMaxTextBytes) return text;
    size_t end = kMaxTextBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return absl::StrCat(text.substr(0, end), "…");
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewDriftService(const ServiceContext& context) {
  return std::make_unique<DriftService>(context);
}

}  // namespace vouch
