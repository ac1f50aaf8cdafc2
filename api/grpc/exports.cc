#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/grpc/record_services.h"
#include "api/grpc/request.h"
#include "rag/export/bundle.h"
#include "rag/export/open_lineage.h"
#include "rag/export/prov.h"
#include "vouch/v1/exports.grpc.pb.h"

namespace vouch {
namespace {

constexpr size_t kPartBytes = size_t{1} << 20;
constexpr int kEventsAtOnce = 200;

TimeRange RangeOf(int64_t from_us, int64_t to_us) {
  TimeRange range{.from_us = from_us};
  if (to_us != 0) range.to_us = to_us;
  return range;
}

absl::Status Gone() { return absl::CancelledError("the caller has gone"); }

class ExportsService final : public v1::Exports::Service {
 public:
  explicit ExportsService(const ServiceContext& context) : services_(context) {}

  grpc::Status ExportOpenLineage(grpc::ServerContext* context, const v1::ExportOpenLineageRequest* request,
                                 grpc::ServerWriter<v1::OpenLineageEvents>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const OpenLineageRequest lineage{.range = RangeOf(request->from_us(), request->to_us()),
                                       .job_namespace = request->job_namespace(),
                                       .principal = PrincipalOf(*context),
                                       .cancel = CancelOf(*context)};
      v1::OpenLineageEvents reply;
      const auto send = [&] { return writer->Write(std::exchange(reply, {})) ? absl::OkStatus() : Gone(); };
      absl::Status status = vouch::ExportOpenLineage(*services_.database, lineage, [&](std::string&& event) {
        reply.add_events(std::move(event));
        return reply.events_size() < kEventsAtOnce ? absl::OkStatus() : send();
      });
      if (status.ok() && reply.events_size() > 0) status = send();
      return status;
    });
  }

  grpc::Status ExportProv(grpc::ServerContext* context, const v1::ExportProvRequest* request,
                          v1::ProvReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const ProvRequest prov{.answer = request->answer(),
                             .range = RangeOf(request->from_us(), request->to_us()),
                             .principal = PrincipalOf(*context),
                             .cancel = CancelOf(*context)};
      absl::StatusOr<std::string> json = vouch::ExportProv(*services_.database, prov);
      if (!json.ok()) return json.status();
      reply->set_json(*std::move(json));
      return absl::OkStatus();
    });
  }

  grpc::Status ExportBundle(grpc::ServerContext* context, const v1::ExportBundleRequest* request,
                            grpc::ServerWriter<v1::BundlePart>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const BundleRequest bundle{.range = RangeOf(request->from_us(), request->to_us()),
                                 .principal = PrincipalOf(*context),
                                 .cancel = CancelOf(*context)};
      std::string waiting;
      const auto send = [&]() -> absl::Status {
        v1::BundlePart part;
        part.set_data(std::exchange(waiting, ""));
        return writer->Write(part) ? absl::OkStatus() : Gone();
      };
      const auto summary = WriteBundle(*services_.database, bundle, [&](std::string_view bytes) -> absl::Status {
        while (!bytes.empty()) {
          const size_t taken = std::min(bytes.size(), kPartBytes - waiting.size());
          waiting.append(bytes.substr(0, taken));
          bytes.remove_prefix(taken);
          if (waiting.size() < kPartBytes) continue;
          if (absl::Status status = send(); !status.ok()) return status;
        }
        return absl::OkStatus();
      });
      if (!summary.ok()) return summary.status();
      if (absl::Status status = send(); !status.ok()) return status;
      v1::BundlePart last;
      last.mutable_summary()->set_answers(summary->answers);
      last.mutable_summary()->set_entries(summary->entries);
      last.mutable_summary()->set_evaluations(summary->evaluations);
      last.mutable_summary()->set_commits(summary->commits);
      last.mutable_summary()->set_feedback(summary->feedback);
      last.mutable_summary()->set_files(summary->files);
      last.mutable_summary()->set_bytes(summary->bytes);
      last.mutable_summary()->set_seal(summary->seal);
      return writer->Write(last) ? absl::OkStatus() : Gone();
    });
  }

 private:
  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewExportsService(const ServiceContext& context) {
  return std::make_unique<ExportsService>(context);
}

}  // namespace vouch
