#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/collection_index.h"
#include "query/collection.h"
#include "query/mask_cache.h"
#include "query/version_leases.h"
#include "query/write_gate.h"
#include "query/writer.h"
#include "storage/clock.h"

namespace vouch {

class DenseOffloads;

// The folder of a collection's index files: `base` with the number of the index after it, where alterations have built others.
std::string IndexDirectoryOf(const std::string& base, uint64_t index_number);

// What a collection borrows from its database, which closes it before these go.
struct CollectionDeps {
  Store* store = nullptr;
  const Clock* clock = nullptr;
  Filesystem* filesystem = nullptr;
  JobPool* job_pool = nullptr;
  MemoryBudget* memory = nullptr;
  const CrossEncoders* cross_encoders = nullptr;
  JobPool* search_pool = nullptr;  // helps with batches and fusions; null: none does
  std::string index_directory;  // this collection's own, but for what IndexDirectoryOf adds
  uint64_t seal_rows = 10'000;
  std::function<void(const std::string& message)> warn;  // as IndexOptions::warn
  DenseOffloads* offloads = nullptr;  // where indexes may also be searched; null: nowhere
};

// The collection over the local store and index. Thread safe.
//
// Invariants:
// 1. `latest_` moves after the index has applied the commit, so a reader of it never finds rows
// missing.
// 2. A read takes index and version once, together, and uses only those.
// 3. A read holds a lease on its version until it is done, so that no row of it is deleted meanwhile.
// 4. A schema, the index made for it and the writer go together: a call takes them once and uses only those. References to
// schemas stay valid, since all there were are kept.
// 5. One of LetGo and Alter runs at a time; Alter closes the gate to writes while it puts another index in place.
// 6. After Drop or Close the index lives as long as calls that run on it, and no longer; every
// later call fails.
class CollectionImpl final : public Collection {
 public:
  // Loads the index: reads rows where index files are missing. Long for large collections.
  static absl::StatusOr<std::shared_ptr<CollectionImpl>> Open(CollectionInfo info,
                                                              CollectionDeps deps);
  ~CollectionImpl() override = default;

  // Called by the commit log: one call at a time, in version order. At least one commit.
  void Apply(std::span<const DurableCommit> commits);
  // Later calls answer NOT_FOUND; index files go with the index. `drop` removes the collection from
  // the catalog; its error leaves the collection as it was.
  absl::Status Drop(const std::function<absl::Status()>& drop);
  // Later calls answer FAILED_PRECONDITION.
  void Close();
  // See query/reread_rows.h.
  absl::Status Reread(std::span<const RowId> rows, const CancelToken& cancel);

  const CollectionInfo& info() const override { return current_schema_.load()->info; }
  absl::StatusOr<WriteResult> Write(WriteRequest request) override;
  absl::StatusOr<WriteResult> Update(UpdateRequest request) override;
  absl::StatusOr<WriteResult> DeleteByFilter(DeleteByFilterRequest request) override;
  absl::StatusOr<WriteResult> Restore(RestoreRequest request) override;
  absl::StatusOr<DiffResponse> Diff(const DiffRequest& request) const override;
  std::vector<absl::Status> Check(std::span<const PointInput> points) const override;
  absl::StatusOr<SearchResponse> Search(const SearchRequest& request) const override;
  absl::StatusOr<std::vector<SearchResponse>> SearchBatch(
      std::span<const SearchRequest> requests) const override;
  absl::StatusOr<WhyNotResponse> WhyNot(const SearchRequest& request,
                                        const PointId& id) const override;
  absl::StatusOr<std::vector<std::optional<PointHit>>> Get(
      std::span<const PointId> ids, const ReadAt& at, const Projection& projection,
      const Principal& principal) const override;
  absl::StatusOr<uint64_t> Count(const std::optional<Filter>& filter, const ReadAt& at,
                                 const Principal& principal) const override;
  absl::StatusOr<Version> Resolve(const ReadAt& at) const override;
  absl::StatusOr<std::shared_ptr<const void>> HoldVersion(Version version) const;
  absl::StatusOr<std::vector<CommitHeader>> Versions(Version first, Version last,
                                                     size_t limit) const override;
  absl::StatusOr<Tag> CreateTag(std::string_view name, const ReadAt& at) override;
  absl::StatusOr<std::vector<Tag>> ListTags() const override;
  absl::Status DeleteTag(std::string_view name) override;
  absl::StatusOr<RetentionState> Retention() const override;
  absl::StatusOr<LetGoResult> LetGo(const LetGoRequest& request) override;
  absl::StatusOr<uint64_t> CountLetGo(const LetGoRequest& request) const override;
  absl::StatusOr<uint64_t> Expire(int64_t now_us, const CancelToken& cancel) override;
  absl::StatusOr<AlterReply> Alter(const AlterRequest& request) override;
  CollectionStats Stats() const override;
  absl::Status Optimize(const CancelToken& cancel,
                        const std::function<void(double)>& progress) override;
  absl::Status WaitIdle(const CancelToken& cancel) override;
  Store& store() override { return *deps_.store; }

 private:
  enum class State { kOpen, kDropped, kClosed };

  // A schema with what goes by it. Never moves.
  struct SchemaPart {
    explicit SchemaPart(CollectionInfo of) : info(std::move(of)), writer(info.schema) {}
    const CollectionInfo info;
    const Writer writer;
  };
  // The index, the newest version that it holds, and the schema that it was made for.
  struct Latest {
    std::shared_ptr<CollectionIndex> index;
    const SchemaPart* schema = nullptr;
    std::shared_ptr<const void> hold;  // a lease on the version, in what Take returns
    Version version;
    uint64_t rows = 0;
    uint64_t live_rows = 0;
  };

  CollectionImpl(CollectionInfo info, CollectionDeps deps)
      : id_(info.id), tenant_(info.tenant), name_(info.name), deps_(std::move(deps)) {
    AddSchema(std::move(info));
  }

  // With mu_ held, or before others know of the object.
  const SchemaPart* AddSchema(CollectionInfo info);
  absl::Status OpenIndex();
  // An index for the schema, of all that the store holds, and the state that it holds. `info` names its folder.
  struct OpenedIndex {
    std::shared_ptr<CollectionIndex> index;
    std::shared_ptr<std::atomic<bool>> remove_files;  // where true, its files go with it
    CollectionState state;
  };
  absl::StatusOr<OpenedIndex> OpenIndexFor(const CollectionInfo& info) const;
  absl::Status CheckPrincipal(const Principal& principal) const;
  absl::Status NotOpen(State state) const;
  absl::StatusOr<Latest> Take() const;
  // `status` as the caller should see it: what was dropped under a running call is NOT_FOUND.
  absl::Status Explained(absl::Status status) const;
  // A version that is readable.
  absl::StatusOr<Version> ResolveFrom(const Latest& latest, const ReadAt& at) const;
  absl::StatusOr<Version> FindVersion(const Latest& latest, const ReadAt& at) const;
  absl::StatusOr<IndexReader> ReadAtVersion(const Latest& latest, Version version) const;
  IndexReader ReadLatest(const Latest& latest) const {
    return latest.index->Read(latest.version, latest.rows, latest.hold);
  }
  // OUT_OF_RANGE: retention has let the version go.
  absl::Status CheckReadable(const Latest& latest, Version version) const;
  // A lease on a version that is readable.
  absl::StatusOr<std::shared_ptr<const void>> Hold(const Latest& latest, Version version) const;
  // What the rows of a write may hold, in the index and in the store's memtables; waits for builds that make room.
  absl::StatusOr<MemoryBudget::Reservation> ReserveFor(CollectionIndex& index, std::span<const RowInput> rows) const;
  // The rows of a version: its commit's rows_end; `version` is not after the latest.
  absl::StatusOr<uint64_t> RowsAt(const Latest& latest, Version version) const;
  absl::StatusOr<DiffResponse> RunDiff(const DiffRequest& request) const;

  // --- collection_maintenance.cc
  absl::StatusOr<uint64_t> Purge(const CancelToken& cancel);
  absl::StatusOr<std::vector<RowId>> FindExpired(const Latest& latest, int64_t now_us, const CancelToken& cancel) const;
  absl::StatusOr<WriteResult> TryExpire(const Latest& latest, int64_t now_us, const CancelToken& cancel);

  // --- collection_alter.cc
  absl::StatusOr<AlterReply> RunAlter(const AlterRequest& request);
  absl::StatusOr<AlterReply> CommitAlteration(const AlterRequest& request, const CollectionInfo& info, OpenedIndex* built);
  // An index for the schema, with all built, that holds the latest version or one shortly before it.
  absl::StatusOr<OpenedIndex> BuildIndex(const CollectionInfo& info, const AlterRequest& request) const;
  absl::Status CatchUp(OpenedIndex& opened, const CancelToken& cancel) const;

  // --- collection_write.cc
  absl::StatusOr<bool> ChangesNothing(const WriteRequest& request, Version latest) const;
  // Makes `attempt` until it is not ABORTED by what other writes changed meanwhile.
  absl::StatusOr<WriteResult> Retry(
      const std::string& request_id, std::optional<Version> expected_version,
      const std::function<absl::StatusOr<WriteResult>(const Latest&)>& attempt);
  absl::StatusOr<WriteResult> Commit(const Latest& latest, CommitRequest commit);
  // `status` of a commit whose condition does not hold, with the version of the row that was found.
  absl::Status WithVersion(absl::Status status) const;
  absl::StatusOr<std::optional<WriteResult>> FindReply(const Latest& latest,
                                                       const std::string& request_id) const;
  // What the writer is to look at, of conditions on points that `named` lists.
  absl::Status AddConditions(const Latest& latest, std::span<const WriteCondition> conditions,
                             std::span<const PointId> named, const Principal& principal,
                             CommitRequest& commit) const;
  absl::Status AddCondition(const Latest& latest, const WriteCondition& condition,
                            const PointId& id, const IndexReader& reader, const RowMask* mask,
                            CommitRequest& commit) const;
  struct Selected {
    std::vector<RowId> rows;
    std::vector<size_t> updates;  // which of UpdateRequest::updates each is; empty with a selection
  };
  absl::StatusOr<Selected> Select(const Latest& latest, const PointSelection& selection,
                                  const Principal& principal, const CancelToken& cancel) const;
  absl::StatusOr<Selected> FindUpdated(const Latest& latest, const UpdateRequest& request) const;
  absl::Status CheckUpdate(const UpdateRequest& request) const;
  absl::StatusOr<WriteResult> TryUpdate(const Latest& latest, const UpdateRequest& request);
  absl::StatusOr<WriteResult> TryDelete(const Latest& latest, const DeleteByFilterRequest& request);
  absl::StatusOr<WriteResult> TryRestore(const Latest& latest, const RestoreRequest& request);
  absl::StatusOr<SearchResponse> RunSearch(const SearchRequest& request) const;
  absl::StatusOr<std::vector<SearchResponse>> RunBatch(
      std::span<const SearchRequest> requests) const;
  absl::StatusOr<SearchResponse> RunOfBatch(const SearchRequest& request,
                                            const Principal& principal, const Latest& latest,
                                            const IndexReader& reader, MaskCache& masks) const;
  absl::StatusOr<WhyNotResponse> RunWhyNot(const SearchRequest& request, const PointId& id) const;
  absl::StatusOr<std::vector<std::optional<PointHit>>> RunGet(std::span<const PointId> ids,
                                                              const ReadAt& at,
                                                              const Projection& projection,
                                                              const Principal& principal) const;
  absl::StatusOr<uint64_t> RunCount(const Filter* filter, const ReadAt& at,
                                    const Principal& principal) const;

  const CollectionId id_;
  const std::string tenant_;
  const std::string name_;
  const CollectionDeps deps_;
  const std::shared_ptr<VersionLeases> leases_ = std::make_shared<VersionLeases>();
  mutable std::mutex holds_mu_;  // a hold is taken before retention says what it lets go, or after
  const std::shared_ptr<VersionLeases> holds_ = std::make_shared<VersionLeases>();
  WriteGate gate_;
  std::mutex maintenance_mu_;  // held by LetGo, Alter and Reread as long as they run; taken before all else
  std::atomic<const SchemaPart*> current_schema_{nullptr};

  mutable std::mutex mu_;
  State state_ = State::kOpen;  // guarded by mu_
  Latest latest_;               // guarded by mu_
  // Shared with the index's deleter, which then also removes the files.
  std::shared_ptr<std::atomic<bool>> remove_files_;           // guarded by mu_
  std::vector<std::unique_ptr<const SchemaPart>> schemas_;    // guarded by mu_
};

}  // namespace vouch
