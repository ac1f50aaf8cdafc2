#include "rag/deliver/commit_hooks.h"

#include <utility>

#include "rag/deliver/event.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr char kType[] = "before.commit";
constexpr size_t kMaxPoints = 100;  // that the event names

// What hooks are told of a write.
struct Intent {
  const char* action = "";
  const Principal& principal;
  const std::string& request_id;
  const CancelToken& cancel;
  RecordJson more = RecordJson::object();
};

RecordJson IdToJson(const PointId& id) { return id.ToString(); }

class AskingCollection final : public Collection {
 public:
  AskingCollection(std::shared_ptr<Collection> collection, const HookRunner& hooks,
                   const Clock& clock)
      : collection_(std::move(collection)), hooks_(hooks), clock_(clock) {}

  absl::StatusOr<WriteResult> Write(WriteRequest request) override {
    RecordJson points = RecordJson::array();
    for (const PointInput& point : request.upserts) {
      if (points.size() < kMaxPoints) points.push_back(IdToJson(point.id));
    }
    for (const PointId& id : request.deletes) {
      if (points.size() < kMaxPoints) points.push_back(IdToJson(id));
    }
    const CancelToken never;
    const absl::Status allowed = Asked({.action = "write",
                                        .principal = request.principal,
                                        .request_id = request.request_id,
                                        .cancel = never,
                                        .more = {{"upserts", request.upserts.size()},
                                                 {"deletes", request.deletes.size()},
                                                 {"documents", request.documents.size()},
                                                 {"points", std::move(points)}}});
    if (!allowed.ok()) return allowed;
    return collection_->Write(std::move(request));
  }
  absl::StatusOr<WriteResult> Update(UpdateRequest request) override {
    RecordJson points = RecordJson::array();
    for (const PointUpdate& update : request.updates) {
      if (points.size() < kMaxPoints) points.push_back(IdToJson(update.id));
    }
    const absl::Status allowed = request.dry_run
                                     ? absl::OkStatus()
                                     : Asked({.action = "update",
                                              .principal = request.principal,
                                              .request_id = request.request_id,
                                              .cancel = request.cancel,
                                              .more = {{"updates", request.updates.size()},
                                                       {"by_filter", request.selection.has_value()},
                                                       {"points", std::move(points)}}});
    if (!allowed.ok()) return allowed;
    return collection_->Update(std::move(request));
  }
  absl::StatusOr<WriteResult> DeleteByFilter(DeleteByFilterRequest request) override {
    const absl::Status allowed = request.dry_run ? absl::OkStatus()
                                                 : Asked({.action = "delete_by_filter",
                                                          .principal = request.principal,
                                                          .request_id = request.request_id,
                                                          .cancel = request.cancel});
    if (!allowed.ok()) return allowed;
    return collection_->DeleteByFilter(std::move(request));
  }
  absl::StatusOr<WriteResult> Restore(RestoreRequest request) override {
    const absl::Status allowed = request.dry_run ? absl::OkStatus()
                                                 : Asked({.action = "restore",
                                                          .principal = request.principal,
                                                          .request_id = request.request_id,
                                                          .cancel = request.cancel,
                                                          .more = {{"version", request.at.value}}});
    if (!allowed.ok()) return allowed;
    return collection_->Restore(std::move(request));
  }

  const CollectionInfo& info() const override { return collection_->info(); }
  absl::StatusOr<DiffResponse> Diff(const DiffRequest& request) const override {
    return collection_->Diff(request);
  }
  std::vector<absl::Status> Check(std::span<const PointInput> points) const override {
    return collection_->Check(points);
  }
  absl::StatusOr<SearchResponse> Search(const SearchRequest& request) const override {
    return collection_->Search(request);
  }
  absl::StatusOr<std::vector<SearchResponse>> SearchBatch(
      std::span<const SearchRequest> requests) const override {
    return collection_->SearchBatch(requests);
  }
  absl::StatusOr<WhyNotResponse> WhyNot(const SearchRequest& request,
                                        const PointId& id) const override {
    return collection_->WhyNot(request, id);
  }
  absl::StatusOr<std::vector<std::optional<PointHit>>> Get(
      std::span<const PointId> ids, const ReadAt& at, const Projection& projection,
      const Principal& principal) const override {
    return collection_->Get(ids, at, projection, principal);
  }
  absl::StatusOr<uint64_t> Count(const std::optional<Filter>& filter, const ReadAt& at,
                                 const Principal& principal) const override {
    return collection_->Count(filter, at, principal);
  }
  absl::StatusOr<Version> Resolve(const ReadAt& at) const override {
    return collection_->Resolve(at);
  }
  absl::StatusOr<std::vector<CommitHeader>> Versions(Version first, Version last,
                                                     size_t limit) const override {
    return collection_->Versions(first, last, limit);
  }
  absl::StatusOr<Tag> CreateTag(std::string_view name, const ReadAt& at) override {
    return collection_->CreateTag(name, at);
  }
  absl::StatusOr<std::vector<Tag>> ListTags() const override { return collection_->ListTags(); }
  absl::Status DeleteTag(std::string_view name) override { return collection_->DeleteTag(name); }
  absl::StatusOr<RetentionState> Retention() const override { return collection_->Retention(); }
  absl::StatusOr<LetGoResult> LetGo(const LetGoRequest& request) override {
    return collection_->LetGo(request);
  }
  absl::StatusOr<uint64_t> CountLetGo(const LetGoRequest& request) const override {
    return collection_->CountLetGo(request);
  }
  absl::StatusOr<uint64_t> Expire(int64_t now_us, const CancelToken& cancel) override {
    return collection_->Expire(now_us, cancel);
  }
  absl::StatusOr<AlterReply> Alter(const AlterRequest& request) override {
    return collection_->Alter(request);
  }
  CollectionStats Stats() const override { return collection_->Stats(); }
  absl::Status Optimize(const CancelToken& cancel,
                        const std::function<void(double)>& progress) override {
    return collection_->Optimize(cancel, progress);
  }
  absl::Status WaitIdle(const CancelToken& cancel) override { return collection_->WaitIdle(cancel); }
  Store& store() override { return collection_->store(); }

 private:
  absl::Status Asked(Intent intent) const {
    const std::string& name = collection_->info().name;
    RecordJson data = {{"collection", name},
                       {"action", intent.action},
                       {"actor", Concat(intent.principal.tenant, "/", intent.principal.subject)},
                       {"request_id", intent.request_id}};
    data.update(intent.more);
    return AskHooks(
        &hooks_,
        BeforeEvent(intent.principal.tenant, kType, Concat("collection/", name),
                    data.dump(-1, ' ', false, RecordJson::error_handler_t::replace),
                    clock_.NowMicros()),
        intent.cancel);
  }

  const std::shared_ptr<Collection> collection_;
  const HookRunner& hooks_;
  const Clock& clock_;
};

class AskingDatabase final : public Database {
 public:
  AskingDatabase(Database& database, const HookRunner& hooks)
      : database_(database), hooks_(hooks) {}

  absl::StatusOr<std::shared_ptr<Collection>> CreateCollection(
      const Principal& principal, std::string_view name, const CollectionSchema& schema) override {
    return Asking(database_.CreateCollection(principal, name, schema));
  }
  absl::StatusOr<std::shared_ptr<Collection>> GetCollection(const Principal& principal,
                                                            std::string_view name) override {
    return Asking(database_.GetCollection(principal, name));
  }
  absl::StatusOr<std::vector<CollectionInfo>> ListCollections(
      const Principal& principal) const override {
    return database_.ListCollections(principal);
  }
  absl::Status DropCollection(const Principal& principal, std::string_view name) override {
    return database_.DropCollection(principal, name);
  }
  std::vector<std::shared_ptr<Collection>> OpenCollections() override {
    return database_.OpenCollections();
  }
  DatabaseMemory Memory() const override { return database_.Memory(); }
  absl::Status MoveAliases(const Principal& principal,
                           std::span<const AliasMove> moves) override {
    return database_.MoveAliases(principal, moves);
  }
  absl::StatusOr<std::vector<Alias>> ListAliases(const Principal& principal) const override {
    return database_.ListAliases(principal);
  }
  Store& store() override { return database_.store(); }
  const Clock& clock() const override { return database_.clock(); }

 private:
  absl::StatusOr<std::shared_ptr<Collection>> Asking(
      absl::StatusOr<std::shared_ptr<Collection>> collection) const {
    if (!collection.ok() || !hooks_.Wants(kType)) return collection;
    return std::make_shared<AskingCollection>(*std::move(collection), hooks_, database_.clock());
  }

  Database& database_;
  const HookRunner& hooks_;
};

}  // namespace

std::unique_ptr<Database> AskBeforeCommits(Database& database, const HookRunner& hooks) {
  if (!hooks.Wants(kType) && !hooks.TakesApplied()) return nullptr;
  return std::make_unique<AskingDatabase>(database, hooks);
}

}  // namespace vouch
