// CollectionImpl's alterations.
//
// Where the bytes of the index depend on what is altered, another index is built beside the one that serves, from the rows of
// the store, in a folder of its own. When it has all that is due it catches up with what was committed meanwhile; then writes wait
// for a moment, it takes in the rest, the alteration is committed, and it takes the other's place. A process that ends before
// that leaves a folder that the next start removes, and a collection that was not altered.
#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "index/index_schema.h"
#include "query/collection_impl.h"

namespace vouch {
namespace {

constexpr uint64_t kRowsWithinGate = 1'000;  // fewer are taken in while writes wait
constexpr int kMaxRounds = 4;                // of building and catching up before that

absl::StatusOr<bool> SameBytes(const CollectionSchema& a, const CollectionSchema& b) {
  const absl::StatusOr<std::shared_ptr<const IndexSchema>> first = IndexSchema::Create(a);
  if (!first.ok()) return first.status();
  const absl::StatusOr<std::shared_ptr<const IndexSchema>> second = IndexSchema::Create(b);
  if (!second.ok()) return second.status();
  return (*first)->fingerprint == (*second)->fingerprint;
}

}  // namespace

absl::StatusOr<AlterReply> CollectionImpl::Alter(const AlterRequest& request) {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  if (request.request_id.size() > Limits::kMaxRequestIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("request_id has ", request.request_id.size(), " bytes, over ",
                                                   Limits::kMaxRequestIdBytes));
  }
  const std::lock_guard maintenance(maintenance_mu_);
  absl::StatusOr<AlterReply> reply = RunAlter(request);
  return reply.ok() ? std::move(reply) : Explained(reply.status());
}

absl::StatusOr<AlterReply> CollectionImpl::RunAlter(const AlterRequest& request) {
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  const CollectionInfo& old = latest->schema->info;
  const absl::StatusOr<std::optional<WriteResult>> known = FindReply(*latest, request.request_id);
  if (!known.ok()) return known.status();
  if (known->has_value()) return AlterReply{.info = old, .version = (*known)->version, .replayed = true};
  absl::StatusOr<CollectionSchema> schema = ApplySchemaChange(old.schema, request.change);
  if (!schema.ok()) return schema.status();
  CollectionInfo info = old;
  info.schema = *std::move(schema);
  const absl::StatusOr<bool> same_bytes = SameBytes(old.schema, info.schema);
  if (!same_bytes.ok()) return same_bytes.status();
  const bool same = info.schema.ToJson() == old.schema.ToJson();
  if (request.dry_run || (same && request.request_id.empty())) {
    return AlterReply{.info = std::move(info), .version = latest->version, .builds = !*same_bytes};
  }
  if (*same_bytes) return CommitAlteration(request, info, nullptr);
  ++info.index_number;
  absl::StatusOr<OpenedIndex> built = BuildIndex(info, request);
  if (!built.ok()) return built.status();
  // Its files go with it, unless the alteration is made.
  built->remove_files->store(true);
  absl::StatusOr<AlterReply> reply = CommitAlteration(request, info, &*built);
  if (reply.ok()) reply->builds = true;
  return reply;
}

absl::StatusOr<CollectionImpl::OpenedIndex> CollectionImpl::BuildIndex(const CollectionInfo& info,
                                                                       const AlterRequest& request) const {
  // What an alteration that was not made left there.
  absl::Status status = deps_.filesystem->RemoveAll(IndexDirectoryOf(deps_.index_directory, info.index_number));
  if (!status.ok()) return status;
  absl::StatusOr<OpenedIndex> opened = OpenIndexFor(info);
  if (!opened.ok()) return opened.status();
  absl::Cleanup remove = [&opened] { opened->remove_files->store(true); };
  // Asked while one waits, so that progress is told meanwhile.
  const CancelToken watch(absl::InfiniteFuture(), [&] {
    if (request.progress) request.progress(opened->index->Status().build_fraction);
    return !request.cancel.Check().ok();
  });
  for (int round = 0; round < kMaxRounds; ++round) {
    status = opened->index->WaitIdle(watch);
    if (absl::Status asked = request.cancel.Check(); !asked.ok()) return asked;
    if (!status.ok()) return status;
    const uint64_t rows = opened->state.rows;
    if (status = CatchUp(*opened, request.cancel); !status.ok()) return status;
    if (opened->state.rows - rows <= kRowsWithinGate) break;
  }
  if (const std::string failed = opened->index->Status().last_error; !failed.empty()) {
    return absl::UnavailableError(absl::StrCat("the indexes for the new schema could not be built: ", failed));
  }
  std::move(remove).Cancel();
  return opened;
}

absl::Status CollectionImpl::CatchUp(OpenedIndex& opened, const CancelToken& cancel) const {
  constexpr size_t kHeadersARead = 100;
  // To where the collection stands now: who writes on and on is not followed for ever.
  const absl::StatusOr<CollectionState> now = deps_.store->GetState(id_);
  if (!now.ok()) return now.status();
  while (opened.state.latest < now->latest) {
    if (absl::Status status = cancel.Check(); !status.ok()) return status;
    const absl::StatusOr<std::vector<CommitHeader>> headers =
        deps_.store->ListCommits(id_, Version(opened.state.latest.value + 1), now->latest, kHeadersARead);
    if (!headers.ok()) return headers.status();
    for (const CommitHeader& header : *headers) {
      CommitRequest commit;
      commit.collection = id_;
      absl::Status status = deps_.store->ScanRows(id_, {header.first_row, header.rows_end()}, /*with_vectors=*/true,
                                                  [&](RowRecord&& record) {
                                                    commit.upserts.push_back({.id = std::move(record.id),
                                                                              .vectors = std::move(record.vectors),
                                                                              .sparse = std::move(record.sparse),
                                                                              .multi_vectors = std::move(record.multi_vectors),
                                                                              .payload = std::move(record.payload),
                                                                              .provenance = {},
                                                                              .access = std::move(record.access)});
                                                    return absl::OkStatus();
                                                  });
      if (!status.ok()) return status;
      opened.index->Apply(commit, header);
      opened.state = {.latest = header.version, .rows = header.rows_end().value, .live_rows = header.live_rows};
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<AlterReply> CollectionImpl::CommitAlteration(const AlterRequest& request, const CollectionInfo& info,
                                                            OpenedIndex* built) {
  std::shared_ptr<CollectionIndex> replaced;  // goes after the gate is open: its end waits for a build
  const WriteGate::Closed alone(gate_);
  if (built != nullptr) {
    if (absl::Status status = CatchUp(*built, request.cancel); !status.ok()) return status;
  }
  const Alteration alteration{.collection = id_,
                              .schema = info.schema,
                              .schema_version = info.schema_version,
                              .new_index = built != nullptr,
                              .actor = request.principal,
                              .time_us = deps_.clock->NowMicros(),
                              .request_id = request.request_id};
  const absl::StatusOr<AlterResult> altered =
      deps_.store->catalog().AlterCollection(alteration, [&](const CollectionInfo& now) {
        const std::lock_guard lock(mu_);
        replaced = latest_.index;
        latest_.schema = AddSchema(now);
        if (latest_.index == nullptr) return;  // closed meanwhile
        if (built != nullptr) {
          remove_files_->store(true);
          built->remove_files->store(false);
          latest_.index = built->index;
          remove_files_ = built->remove_files;
        } else {
          latest_.index->SetSearchSchema(now.schema).IgnoreError();  // the fingerprint is the same, as was looked at
        }
      });
  if (!altered.ok()) return altered.status();
  return AlterReply{.info = altered->info, .version = altered->commit.header.version, .replayed = altered->commit.replayed};
}

}  // namespace vouch
