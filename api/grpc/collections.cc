#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/convert_alter.h"
#include "api/grpc/progress_writer.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "rag/restore.h"
#include "rag/deliver/tag_change.h"
#include "vouch/v1/collections.grpc.pb.h"

namespace vouch {
namespace {

class CollectionsService final : public v1::Collections::Service {
 public:
  explicit CollectionsService(const ServiceContext& context) : services_(context) {}

  grpc::Status CreateCollection(grpc::ServerContext* context,
                                const v1::CreateCollectionRequest* request,
                                v1::Collection* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<CollectionSchema> schema = SchemaOf(request->schema());
      if (!schema.ok()) return schema.status();
      auto collection =
          services_.database->CreateCollection(PrincipalOf(*context), request->name(), *schema);
      if (!collection.ok()) return collection.status();
      return Fill((*collection)->info(), reply);
    });
  }

  grpc::Status GetCollection(grpc::ServerContext* context, const v1::GetCollectionRequest* request,
                             v1::Collection* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto info = services_.database->store().catalog().GetCollection(PrincipalOf(*context).tenant,
                                                                      request->name());
      if (!info.ok()) return info.status();
      return Fill(*info, reply);
    });
  }

  grpc::Status ListCollections(grpc::ServerContext* context, const v1::ListCollectionsRequest*,
                               v1::ListCollectionsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto infos = services_.database->ListCollections(PrincipalOf(*context));
      if (!infos.ok()) return infos.status();
      for (const CollectionInfo& info : *infos) {
        // One that was dropped meanwhile is left out.
        v1::Collection collection;
        const absl::Status status = Fill(info, &collection);
        if (absl::IsNotFound(status)) continue;
        if (!status.ok()) return status;
        reply->add_collections()->Swap(&collection);
      }
      return absl::OkStatus();
    });
  }

  grpc::Status DropCollection(grpc::ServerContext* context,
                              const v1::DropCollectionRequest* request,
                              v1::DropCollectionResponse*) override {
    return Serve(services_, *context, [&] {
      return services_.database->DropCollection(PrincipalOf(*context), request->name());
    });
  }

  grpc::Status ListVersions(grpc::ServerContext* context, const v1::ListVersionsRequest* request,
                            v1::ListVersionsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->limit() > ApiLimits::kMaxVersions) {
        return absl::InvalidArgumentError(
            absl::StrCat("limit is ", request->limit(), ", at most ", ApiLimits::kMaxVersions));
      }
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      const Version first(std::max<uint64_t>(request->first(), 1));
      absl::StatusOr<Version> latest = (*collection)->Resolve(ReadAt{});
      if (!latest.ok()) return latest.status();
      const Version last =
          request->last() == 0 ? *latest : std::min(*latest, Version(request->last()));
      if (first > last) return absl::OkStatus();
      auto headers =
          (*collection)
              ->Versions(first, last,
                         request->limit() == 0 ? ApiLimits::kDefaultVersions : request->limit());
      if (!headers.ok()) return headers.status();
      for (const CommitHeader& header : *headers) FillVersion(header, reply->add_versions());
      return absl::OkStatus();
    });
  }

  grpc::Status CreateTag(grpc::ServerContext* context, const v1::CreateTagRequest* request,
                         v1::Tag* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<ReadAt> at = ReadAtOf(request->at());
      if (!at.ok()) return at.status();
      absl::StatusOr<Tag> tag = CreateTagOnRecord(*services_.database, **collection, request->name(),
                                                  *at, AuthorOf(*context));
      if (!tag.ok()) return tag.status();
      FillTag(*tag, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status ListTags(grpc::ServerContext* context, const v1::ListTagsRequest* request,
                        v1::ListTagsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      auto tags = (*collection)->ListTags();
      if (!tags.ok()) return tags.status();
      for (const Tag& tag : *tags) FillTag(tag, reply->add_tags());
      return absl::OkStatus();
    });
  }

  grpc::Status DeleteTag(grpc::ServerContext* context, const v1::DeleteTagRequest* request,
                         v1::DeleteTagResponse*) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      return DeleteTagOnRecord(*services_.database, **collection, request->name(),
                               AuthorOf(*context));
    });
  }

  grpc::Status Diff(grpc::ServerContext* context, const v1::DiffRequest* request,
                    v1::DiffResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<ReadAt> from = ReadAtOf(request->from());
      if (!from.ok()) return from.status();
      absl::StatusOr<ReadAt> to = ReadAtOf(request->to());
      if (!to.ok()) return to.status();
      DiffRequest diff;
      diff.from = *std::move(from);
      diff.to = *std::move(to);
      if (request->limit() > 0) diff.limit = request->limit();
      if (request->summary_only()) diff.limit = 0;
      diff.cursor = request->cursor();
      diff.principal = PrincipalOf(*context);
      diff.cancel = CancelOf(*context);
      absl::StatusOr<DiffResponse> response = (*collection)->Diff(diff);
      if (!response.ok()) return response.status();
      FillDiff(*std::move(response), reply);
      return absl::OkStatus();
    });
  }

  grpc::Status Restore(grpc::ServerContext* context, const v1::RestoreVersionRequest* request,
                       v1::WriteReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->at().empty()) {
        return absl::InvalidArgumentError("`at` is empty; name the version to restore");
      }
      auto collection =
          services_.writes->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<Version> at = ResolveRead(**collection, request->at());
      if (!at.ok()) return at.status();
      RestoreRequest restore;
      restore.at = *at;
      restore.dry_run = request->dry_run();
      restore.request_id = request->request_id();
      restore.principal = PrincipalOf(*context);
      restore.cancel = CancelOf(*context);
      absl::StatusOr<WriteResult> result = RestoreVersion(**collection, std::move(restore));
      if (!result.ok()) return result.status();
      FillWriteReply(*result, reply);
      return absl::OkStatus();
    });
  }

  grpc::Status MoveAliases(grpc::ServerContext* context, const v1::MoveAliasesRequest* request,
                           v1::ListAliasesResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      std::vector<AliasMove> moves;
      for (const v1::AliasMove& move : request->moves()) {
        moves.push_back({move.alias(), move.collection()});
      }
      absl::Status status = services_.database->MoveAliases(PrincipalOf(*context), moves);
      return status.ok() ? FillAliases(*context, reply) : status;
    });
  }

  grpc::Status ListAliases(grpc::ServerContext* context, const v1::ListAliasesRequest*,
                           v1::ListAliasesResponse* reply) override {
    return Serve(services_, *context, [&] { return FillAliases(*context, reply); });
  }

  grpc::Status GetStats(grpc::ServerContext* context, const v1::GetStatsRequest* request,
                        v1::CollectionStats* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      FillStats((*collection)->Stats(), reply);
      FillServerMemory(services_.database->Memory(), reply->mutable_server_memory());
      return absl::OkStatus();
    });
  }

  grpc::Status AlterCollection(grpc::ServerContext* context, const v1::AlterCollectionRequest* request,
                               grpc::ServerWriter<v1::AlterProgress>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      AlterRequest alter;
      absl::StatusOr<SchemaChange> change = SchemaChangeOf(*request);
      if (!change.ok()) return change.status();
      alter.change = *std::move(change);
      alter.dry_run = request->dry_run();
      alter.principal = PrincipalOf(*context);
      alter.request_id = request->request_id();
      alter.cancel = CancelOf(*context);
      ProgressWriter progress([&](double fraction) {
        v1::AlterProgress reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      alter.progress = [&](double fraction) { progress.Update(fraction); };
      auto collection = services_.database->GetCollection(alter.principal, request->collection());
      if (!collection.ok()) return collection.status();
      const absl::StatusOr<AlterReply> altered = (*collection)->Alter(alter);
      if (!altered.ok()) return altered.status();
      v1::AlterProgress reply;
      reply.set_fraction(1);
      reply.set_done(true);
      if (absl::Status status = Fill(altered->info, reply.mutable_collection()); !status.ok()) return status;
      reply.set_version(altered->version.value);
      reply.set_replayed(altered->replayed);
      reply.set_built(altered->builds);
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

  grpc::Status GetRetention(grpc::ServerContext* context, const v1::GetRetentionRequest* request,
                            v1::RetentionStatus* reply) override {
    return Serve(services_, *context, [&] { return FillReport(*context, request->collection(), /*run=*/false, reply); });
  }

  grpc::Status RunRetention(grpc::ServerContext* context, const v1::RunRetentionRequest* request,
                            v1::RetentionStatus* reply) override {
    return Serve(services_, *context,
                 [&] { return FillReport(*context, request->collection(), !request->dry_run(), reply); });
  }

  grpc::Status OptimizeCollection(grpc::ServerContext* context,
                                  const v1::OptimizeCollectionRequest* request,
                                  grpc::ServerWriter<v1::OptimizeProgress>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      ProgressWriter progress([&](double fraction) {
        v1::OptimizeProgress reply;
        reply.set_fraction(fraction);
        writer->Write(reply);
      });
      absl::Status status = (*collection)->Optimize(CancelOf(*context), [&](double fraction) {
        progress.Update(fraction);
      });
      if (!status.ok()) return status;
      v1::OptimizeProgress reply;
      reply.set_fraction(1);
      reply.set_done(true);
      writer->Write(reply);
      return absl::OkStatus();
    });
  }

 private:
  absl::Status FillReport(const grpc::ServerContext& context, const std::string& name, bool run,
                          v1::RetentionStatus* reply) {
    const Principal principal = PrincipalOf(context);
    const auto collection = services_.database->GetCollection(principal, name);
    if (!collection.ok()) return collection.status();
    const absl::StatusOr<RetentionReport> report =
        run ? vouch::RunRetention(*services_.database, **collection, principal, CancelOf(context))
            : InspectRetention(*services_.database, **collection);
    if (!report.ok()) return report.status();
    FillRetentionStatus(*report, reply);
    return absl::OkStatus();
  }

  absl::Status FillAliases(const grpc::ServerContext& context, v1::ListAliasesResponse* reply) {
    auto aliases = services_.database->ListAliases(PrincipalOf(context));
    if (!aliases.ok()) return aliases.status();
    for (const Alias& alias : *aliases) {
      v1::Alias* message = reply->add_aliases();
      message->set_alias(alias.name);
      message->set_collection(alias.collection);
      message->set_moved_us(alias.moved_us);
    }
    return absl::OkStatus();
  }

  static v1::DiffKind KindOf(DiffKind kind) {
    switch (kind) {
      case DiffKind::kAdded:
        return v1::DIFF_KIND_ADDED;
      case DiffKind::kReplaced:
        return v1::DIFF_KIND_REPLACED;
      case DiffKind::kRetired:
        return v1::DIFF_KIND_RETIRED;
    }
    return v1::DIFF_KIND_UNSPECIFIED;
  }

  static void FillDiff(DiffResponse&& response, v1::DiffResponse* message) {
    message->set_from(response.from.value);
    message->set_to(response.to.value);
    message->set_points_from(response.points_from);
    message->set_points_to(response.points_to);
    message->set_added(response.added);
    message->set_replaced(response.replaced);
    message->set_retired(response.retired);
    for (DiffEntry& entry : response.entries) {
      v1::DiffEntry* shown = message->add_entries();
      FillPointId(entry.id, shown->mutable_id());
      shown->set_kind(KindOf(entry.kind));
      for (std::string& changed : entry.changed) shown->add_changed(std::move(changed));
    }
    message->set_next_cursor(std::move(response.next_cursor));
  }

  // From the store's own figures, so that listing collections opens no index.
  absl::Status Fill(const CollectionInfo& info, v1::Collection* message) {
    absl::StatusOr<CollectionState> state = services_.database->store().GetState(info.id);
    if (!state.ok()) return state.status();
    message->set_name(info.name);
    FillSchema(info.schema, message->mutable_schema());
    message->set_created_us(info.created_us);
    message->set_version(state->latest.value);
    message->set_points(state->live_rows);
    return absl::OkStatus();
  }

  static void FillVersion(const CommitHeader& header, v1::VersionInfo* message) {
    message->set_version(header.version.value);
    message->set_time_us(header.time_us);
    message->set_actor(header.actor);
    message->set_request_id(header.request_id);
    message->set_rows_added(header.row_count);
    message->set_rows_retired(header.retired.size());
    message->set_points(header.live_rows);
  }

  TagAuthor AuthorOf(const grpc::ServerContext& context) const {
    return {.principal = PrincipalOf(context), .hooks = services_.hooks, .cancel = CancelOf(context)};
  }

  static void FillTag(const Tag& tag, v1::Tag* message) {
    message->set_name(tag.name);
    message->set_version(tag.version.value);
    message->set_created_us(tag.created_us);
  }

  static void FillMemory(const MemoryAccount& memory, v1::MemoryAccount* message) {
    message->set_ids(memory.ids);
    message->set_access(memory.access);
    message->set_vectors(memory.vectors);
    message->set_vector_tables(memory.vector_tables);
    message->set_codes(memory.codes);
    message->set_graph(memory.graph);
    message->set_postings(memory.postings);
    message->set_payload(memory.payload);
    message->set_visibility(memory.visibility);
    message->set_mapped_vectors(memory.mapped_vectors);
  }

  static void FillStats(const CollectionStats& stats, v1::CollectionStats* message) {
    message->set_version(stats.version.value);
    message->set_points(stats.points);
    message->set_rows(stats.rows);
    for (const SegmentInfo& info : stats.index.segments) {
      v1::Segment* segment = message->add_segments();
      segment->set_first_row(info.rows.begin.value);
      segment->set_end_row(info.rows.end.value);
      segment->set_sealed(info.sealed);
      segment->set_memory_bytes(info.memory_bytes);
      segment->set_file_bytes(info.file_bytes);
      segment->set_mapped_bytes(info.mapped_bytes);
      segment->set_build_id(info.build_id);
      for (const DenseIndexInfo& dense : info.dense) {
        v1::DenseIndex* index = segment->add_dense();
        index->set_field(dense.field);
        index->set_kind(MessageOf(dense.kind));
        index->set_why(dense.why);
        index->set_vectors(dense.vectors);
        index->set_ef(dense.ef);
        index->set_recall(dense.recall);
      }
    }
    FillMemory(stats.index.memory, message->mutable_memory());
    message->set_index_files_damaged(stats.index.files_damaged);
    message->set_building(stats.index.building);
    message->set_build_fraction(stats.index.build_fraction);
    message->set_last_build_error(stats.index.last_error);
    message->set_build_rows(stats.index.build_rows);
    message->set_build_seconds(stats.index.build_seconds);
    message->set_build_seconds_left(stats.index.build_seconds_left);
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewCollectionsService(const ServiceContext& context) {
  return std::make_unique<CollectionsService>(context);
}

}  // namespace vouch
