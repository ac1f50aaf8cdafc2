#include <grpcpp/grpcpp.h>

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
#include "storage/schema.h"
#include "vouch/v1/points.grpc.pb.h"

namespace vouch {
namespace {

class PointsService final : public v1::Points::Service {
 public:
  explicit PointsService(const ServiceContext& context) : services_(context) {}

  grpc::Status Upsert(grpc::ServerContext* context, const v1::UpsertRequest* request,
                      v1::WriteReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (static_cast<size_t>(request->points_size()) > Limits::kMaxCommitRows) {
        return absl::InvalidArgumentError(absl::StrCat("the request has ", request->points_size(),
                                                       " points, at most ", Limits::kMaxCommitRows,
                                                       "; send several requests"));
      }
      WriteRequest write;
      write.upserts.reserve(request->points_size());
      // The request belongs to this call alone: its texts are moved, not copied.
      auto& points = *const_cast<v1::UpsertRequest*>(request)->mutable_points();
      for (int i = 0; i < points.size(); ++i) {
        absl::StatusOr<PointInput> point =
            PointInputOf(std::move(points[i]), absl::StrCat("points[", i, "]"),
                         request->keep_provenance());
        if (!point.ok()) return point.status();
        write.upserts.push_back(*std::move(point));
      }
      return Write(*context, *request, std::move(write), reply);
    });
  }

  grpc::Status Delete(grpc::ServerContext* context, const v1::DeleteRequest* request,
                      v1::WriteReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (static_cast<size_t>(request->ids_size()) > Limits::kMaxCommitRows) {
        return absl::InvalidArgumentError(absl::StrCat("the request has ", request->ids_size(),
                                                       " ids, at most ", Limits::kMaxCommitRows,
                                                       "; send several requests"));
      }
      WriteRequest write;
      absl::StatusOr<std::vector<PointId>> ids = IdsOf(request->ids());
      if (!ids.ok()) return ids.status();
      write.deletes = *std::move(ids);
      return Write(*context, *request, std::move(write), reply);
    });
  }

  grpc::Status Update(grpc::ServerContext* context, const v1::UpdateRequest* request,
                      v1::WriteReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.writes->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<UpdateRequest> update = UpdateOf(*request);
      if (!update.ok()) return update.status();
      update->principal = PrincipalOf(*context);
      update->cancel = CancelOf(*context);
      absl::StatusOr<WriteResult> result = (*collection)->Update(*std::move(update));
      if (!result.ok()) return result.status();
      FillWriteReply(*result, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status DeleteByFilter(grpc::ServerContext* context,
                              const v1::DeleteByFilterRequest* request,
                              v1::WriteReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.writes->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<PointSelection> selection = SelectionOf(request->selection());
      if (!selection.ok()) return selection.status();
      DeleteByFilterRequest erase;
      erase.selection = *std::move(selection);
      erase.dry_run = request->dry_run();
      erase.principal = PrincipalOf(*context);
      erase.request_id = request->request_id();
      if (request->has_expected_version()) {
        erase.expected_version = Version(request->expected_version());
      }
      erase.cancel = CancelOf(*context);
      absl::StatusOr<WriteResult> result = (*collection)->DeleteByFilter(std::move(erase));
      if (!result.ok()) return result.status();
      FillWriteReply(*result, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest* request,
                   v1::GetResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (static_cast<uint32_t>(request->ids_size()) > ApiLimits::kMaxGetIds) {
        return absl::InvalidArgumentError(absl::StrCat("the request has ", request->ids_size(),
                                                       " ids, at most ", ApiLimits::kMaxGetIds));
      }
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<Version> version = ResolveRead(**collection, request->at());
      if (!version.ok()) return version.status();
      absl::StatusOr<std::vector<PointId>> ids = IdsOf(request->ids());
      if (!ids.ok()) return ids.status();
      auto points = (*collection)
                        ->Get(*ids, ReadAt{*version}, ProjectionOf(request->projection()),
                              PrincipalOf(*context));
      if (!points.ok()) return points.status();
      reply->set_version(version->value);
      for (size_t i = 0; i < points->size(); ++i) {
        if ((*points)[i].has_value()) {
          FillPoint(*std::move((*points)[i]), reply->add_points());
        } else {
          FillPointId((*ids)[i], reply->add_missing());
        }
      }
      return absl::OkStatus();
    });
  }

  grpc::Status Count(grpc::ServerContext* context, const v1::CountRequest* request,
                     v1::CountResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<Version> version = ResolveRead(**collection, request->at());
      if (!version.ok()) return version.status();
      absl::StatusOr<std::optional<Filter>> filter = OptionalFilterOf(*request);
      if (!filter.ok()) return filter.status();
      absl::StatusOr<uint64_t> count =
          (*collection)->Count(*filter, ReadAt{*version}, PrincipalOf(*context));
      if (!count.ok()) return count.status();
      reply->set_version(version->value);
      reply->set_count(*count);
      return absl::OkStatus();
    });
  }

  grpc::Status Scroll(grpc::ServerContext* context, const v1::ScrollRequest* request,
                      v1::ScrollResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<Version> version = ResolveRead(**collection, request->at(), request->cursor());
      if (!version.ok()) return version.status();
      absl::StatusOr<std::optional<Filter>> filter = OptionalFilterOf(*request);
      if (!filter.ok()) return filter.status();
      SearchRequest search;
      search.query.node = AllLeaf{};
      search.filter = *std::move(filter);
      search.limit = request->limit() == 0 ? ApiLimits::kDefaultScrollLimit : request->limit();
      search.cursor = request->cursor();
      search.at = ReadAt{*version};
      search.projection = ProjectionOf(request->projection());
      search.principal = PrincipalOf(*context);
      search.cancel = CancelOf(*context);
      absl::StatusOr<SearchResponse> response = (*collection)->Search(search);
      if (!response.ok()) return response.status();
      reply->set_version(response->version.value);
      for (PointHit& hit : response->hits) FillPoint(std::move(hit), reply->add_points());
      reply->set_next_cursor(std::move(response->next_cursor));
      return absl::OkStatus();
    });
  }

 private:
  static absl::StatusOr<std::vector<PointId>> IdsOf(
      const google::protobuf::RepeatedPtrField<v1::PointId>& messages) {
    std::vector<PointId> ids;
    ids.reserve(messages.size());
    for (int i = 0; i < messages.size(); ++i) {
      absl::StatusOr<PointId> id = PointIdOf(messages[i]);
      if (!id.ok())
        return absl::Status(id.status().code(),
                            absl::StrCat("ids[", i, "]: ", id.status().message()));
      ids.push_back(*std::move(id));
    }
    return ids;
  }

  template <class Request>
  absl::Status Write(const grpc::ServerContext& context, const Request& request, WriteRequest write,
                     v1::WriteReply* reply) {
    auto collection = services_.writes->GetCollection(PrincipalOf(context), request.collection());
    if (!collection.ok()) return collection.status();
    write.principal = PrincipalOf(context);
    write.request_id = request.request_id();
    if (request.has_expected_version())
      write.expected_version = Version(request.expected_version());
    absl::StatusOr<std::vector<WriteCondition>> conditions = ConditionsOf(request.conditions());
    if (!conditions.ok()) return conditions.status();
    write.conditions = *std::move(conditions);
    absl::StatusOr<WriteResult> result = (*collection)->Write(std::move(write));
    if (!result.ok()) return result.status();
    FillWriteReply(*result, reply);
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewPointsService(const ServiceContext& context) {
  return std::make_unique<PointsService>(context);
}

}  // namespace vouch
