#include <grpcpp/grpcpp.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/convert_gpu.h"
#include "api/grpc/progress_writer.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/version.h"
#include "vouch/v1/admin.grpc.pb.h"

namespace vouch {
namespace {

class AdminService final : public v1::Admin::Service {
 public:
  explicit AdminService(const ServiceContext& context) : services_(context) {}

  grpc::Status GetVersion(grpc::ServerContext* context, const v1::GetVersionRequest*,
                          v1::VersionReply* reply) override {
    return Serve(services_, *context, [&] {
      reply->set_version(kProgramVersion);
      reply->set_api(kApiVersion);
      reply->set_compiler(kCompiler);
      return absl::OkStatus();
    });
  }

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest*,
                         v1::StatusReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      reply->set_version(kProgramVersion);
      reply->set_data(services_.database->store().path());
      reply->set_started_us(services_.started_us);
      FillServerMemory(services_.database->Memory(), reply->mutable_memory());
      auto infos = services_.database->ListCollections(PrincipalOf(*context));
      if (!infos.ok()) return infos.status();
      for (const CollectionInfo& info : *infos) {
        absl::StatusOr<CollectionState> state = services_.database->store().GetState(info.id);
        if (absl::IsNotFound(state.status())) continue;  // dropped meanwhile
        if (!state.ok()) return state.status();
        v1::CollectionStatus* collection = reply->add_collections();
        collection->set_name(info.name);
        collection->set_version(state->latest.value);
        collection->set_points(state->live_rows);
      }
      return absl::OkStatus();
    });
  }

  grpc::Status GetGpu(grpc::ServerContext* context, const v1::GetGpuRequest*, v1::GpuReply* reply) override {
    return Serve(services_, *context, [&] {
      FillGpu(*services_.database, PrincipalOf(*context).tenant, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status Backup(grpc::ServerContext* context, const v1::BackupRequest* request,
                      grpc::ServerWriter<v1::BackupReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->directory().empty() || request->directory().front() != '/') {
        return absl::InvalidArgumentError(
            absl::StrCat("directory is '", request->directory(),
                         "'; it takes an absolute path on the server's machine"));
      }
      ProgressWriter progress([&](double fraction) {
        v1::BackupReply reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      const CancelToken cancel = CancelOf(*context);
      absl::StatusOr<uint32_t> backup =
          services_.database->store().Backup(request->directory(), [&](double fraction) {
            progress.Update(fraction);
            return cancel.Check();
          });
      if (!backup.ok()) return backup.status();
      v1::BackupReply reply;
      reply.set_fraction(1);
      reply.set_backup(*backup);
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

 private:
  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewAdminService(const ServiceContext& context) {
  return std::make_unique<AdminService>(context);
}

}  // namespace vouch
