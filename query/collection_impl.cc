#include "query/collection_impl.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "index/dense_offload.h"
#include "index/payload/payload_columns.h"
#include "index/reread_rows.h"
#include "query/fetcher.h"
#include "query/mask_cache.h"
#include "query/reread_rows.h"
#include "query/searcher.h"
#include "query/together.h"

namespace vouch {
namespace {

// How long a write waits for memory that builds are about to give back.
constexpr absl::Duration kMemoryWait = absl::Seconds(20);

// Rows for the index, as the store keeps them.
class StoreRows final : public RowSource {
 public:
  StoreRows(const Store& store, CollectionId collection) : store_(store), collection_(collection) {}

  absl::Status ScanRows(RowRange range,
                        const std::function<absl::Status(RowRecord&&)>& visit) const override {
    return store_.ScanRows(collection_, range, /*with_vectors=*/true, visit);
  }

 private:
  const Store& store_;
  const CollectionId collection_;
};

}  // namespace

std::string IndexDirectoryOf(const std::string& base, uint64_t index_number) {
  return index_number == 0 ? base : absl::StrCat(base, "-", index_number);
}

absl::StatusOr<std::shared_ptr<CollectionImpl>> CollectionImpl::Open(CollectionInfo info,
                                                                     CollectionDeps deps) {
  std::shared_ptr<CollectionImpl> collection(new CollectionImpl(std::move(info), std::move(deps)));
  if (absl::Status status = collection->OpenIndex(); !status.ok()) return status;
  return collection;
}

const CollectionImpl::SchemaPart* CollectionImpl::AddSchema(CollectionInfo info) {
  const SchemaPart* const part = schemas_.emplace_back(std::make_unique<const SchemaPart>(std::move(info))).get();
  current_schema_.store(part);
  return part;
}

absl::Status CollectionImpl::OpenIndex() {
  absl::StatusOr<OpenedIndex> opened = OpenIndexFor(info());
  if (!opened.ok()) return opened.status();
  const std::lock_guard lock(mu_);
  latest_.index = std::move(opened->index);
  latest_.schema = schemas_.back().get();
  remove_files_ = std::move(opened->remove_files);
  latest_.version = opened->state.latest;
  latest_.rows = opened->state.rows;
  latest_.live_rows = opened->state.live_rows;
  return absl::OkStatus();
}

absl::StatusOr<CollectionImpl::OpenedIndex> CollectionImpl::OpenIndexFor(const CollectionInfo& info) const {
  // Before the retired rows are: what is let go is retired no more.
  absl::StatusOr<PurgedRows> purged = deps_.store->ReadPurged(id_);
  if (!purged.ok()) return purged.status();
  const absl::StatusOr<CollectionState> state = deps_.store->GetState(id_);
  if (!state.ok()) return state.status();
  auto rows = std::make_shared<StoreRows>(*deps_.store, id_);
  const RowRange all{RowId(0), RowId(state->rows)};
  const std::string directory = IndexDirectoryOf(deps_.index_directory, info.index_number);
  absl::StatusOr<std::unique_ptr<CollectionIndex>> index =
      CollectionIndex::Open({.directory = directory,
                             .filesystem = deps_.filesystem,
                             .job_pool = deps_.job_pool,
                             .memory = deps_.memory,
                             .seal_rows = deps_.seal_rows,
                             .warn = deps_.warn},
                            info.schema, rows.get(), state->latest, state->rows,
                            [&](const std::function<void(RowId, Version)>& visit) {
                              return deps_.store->ScanRetired(id_, all, visit);
                            },
                            *std::move(purged));
  if (!index.ok()) return index.status();
  OpenedIndex opened{.index = nullptr, .remove_files = std::make_shared<std::atomic<bool>>(false), .state = *state};
  opened.index = std::shared_ptr<CollectionIndex>(
      index->release(), [rows, remove = opened.remove_files, filesystem = deps_.filesystem, directory](CollectionIndex* last) {
        delete last;
        // What cannot be removed now goes when the database is next opened.
        if (remove->load()) filesystem->RemoveAll(directory).IgnoreError();
      });
  if (deps_.offloads != nullptr) UseOffload(*opened.index, deps_.offloads->ForCollection(tenant_, name_));
  return opened;
}

void CollectionImpl::Apply(std::span<const DurableCommit> commits) {
  std::shared_ptr<CollectionIndex> index;
  {
    // Whatever the state: a drop that fails leaves a collection that must have missed nothing.
    const std::lock_guard lock(mu_);
    index = latest_.index;
  }
  if (index == nullptr) return;
  index->Apply(commits);
  const CommitHeader& header = *commits.back().header;
  const std::lock_guard lock(mu_);
  latest_.version = header.version;
  latest_.rows = header.rows_end().value;
  latest_.live_rows = header.live_rows;
}

absl::Status CollectionImpl::Drop(const std::function<absl::Status()>& drop) {
  {
    const std::lock_guard lock(mu_);
    if (state_ != State::kOpen) return NotOpen(state_);
    state_ = State::kDropped;
  }
  if (absl::Status status = drop(); !status.ok()) {
    const std::lock_guard lock(mu_);
    if (state_ == State::kDropped) state_ = State::kOpen;
    return status;
  }
  std::shared_ptr<CollectionIndex>
      index;  // goes outside the lock: its end waits for a running build
  const std::lock_guard lock(mu_);
  if (remove_files_ != nullptr) remove_files_->store(true);
  index.swap(latest_.index);
  return absl::OkStatus();
}

void CollectionImpl::Close() {
  std::shared_ptr<CollectionIndex> index;
  const std::lock_guard lock(mu_);
  if (state_ == State::kOpen) state_ = State::kClosed;
  index.swap(latest_.index);
}

absl::Status CollectionImpl::Reread(std::span<const RowId> rows, const CancelToken& cancel) {
  // An index that an alteration builds may have read the rows as they were: wait until it serves.
  const std::lock_guard maintenance(maintenance_mu_);
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  return vouch::RereadRows(*latest->index, rows, cancel);
}

absl::Status RereadRows(Collection& collection, std::span<const RowId> rows, const CancelToken& cancel) {
  return static_cast<CollectionImpl&>(collection).Reread(rows, cancel);  // the only kind of collection there is
}

absl::Status CollectionImpl::NotOpen(State state) const {
  if (state == State::kDropped) {
    return absl::NotFoundError(absl::StrCat("collection '", name_, "' was dropped"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("collection '", name_, "': its database was closed"));
}

absl::Status CollectionImpl::CheckPrincipal(const Principal& principal) const {
  if (principal.tenant == tenant_) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("no collection '", name_, "' in tenant '", principal.tenant, "'"));
}

absl::StatusOr<CollectionImpl::Latest> CollectionImpl::Take() const {
  const std::lock_guard lock(mu_);
  if (state_ != State::kOpen) return NotOpen(state_);
  Latest latest = latest_;
  // A horizon is never above the version that was the latest before it was raised, so this one is readable.
  latest.hold = leases_->Take(latest.version);
  return latest;
}

absl::Status CollectionImpl::Explained(absl::Status status) const {
  const std::lock_guard lock(mu_);
  return state_ == State::kOpen ? status : NotOpen(state_);
}

absl::StatusOr<DiffResponse> CollectionImpl::Diff(const DiffRequest& request) const {
  absl::StatusOr<DiffResponse> response = RunDiff(request);
  return response.ok() ? std::move(response) : Explained(response.status());
}

absl::StatusOr<DiffResponse> CollectionImpl::RunDiff(const DiffRequest& request) const {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  const absl::StatusOr<Version> from = ResolveFrom(*latest, request.from);
  if (!from.ok()) return from.status();
  const absl::StatusOr<Version> to = ResolveFrom(*latest, request.to);
  if (!to.ok()) return to.status();
  if (*from > *to) {
    return absl::InvalidArgumentError(absl::StrCat("version ", from->value, " comes after version ",
                                                   to->value, "; name the earlier one first"));
  }
  const absl::StatusOr<uint64_t> from_rows = RowsAt(*latest, *from);
  if (!from_rows.ok()) return from_rows.status();
  const absl::StatusOr<IndexReader> from_reader = ReadAtVersion(*latest, *from);
  if (!from_reader.ok()) return from_reader.status();
  const absl::StatusOr<IndexReader> to_reader = ReadAtVersion(*latest, *to);
  if (!to_reader.ok()) return to_reader.status();
  return MakeDiff(*deps_.store, latest->schema->info, request, *from_reader, *from_rows, *to_reader);
}

absl::StatusOr<MemoryBudget::Reservation> CollectionImpl::ReserveFor(CollectionIndex& index,
                                                                     std::span<const RowInput> rows) const {
  MemoryBudget* const memory = deps_.memory;
  if (memory == nullptr || memory->limit_bytes() == 0 || rows.empty()) return MemoryBudget::Reservation();
  uint64_t bytes = 0;
  for (const RowInput& row : rows) {
    bytes += row.payload.size() + row.provenance.size();
    for (const std::vector<float>& vector : row.vectors) bytes += vector.size() * sizeof(float);
    for (const SparseVector& sparse : row.sparse) bytes += 8 * sparse.indices.size();
    for (const MultiVector& multi : row.multi_vectors) bytes += multi.values.size() * sizeof(float);
  }
  const std::string what = absl::StrCat("collection '", name_, "': a write of ", rows.size(), " rows");
  index.SealEarly(memory->limit_bytes() / MemoryBudget::kFreshShare);
  absl::StatusOr<MemoryBudget::Reservation> reserved = memory->Reserve(2 * bytes, what);
  if (reserved.ok()) return reserved;
  // Vectors of fresh rows go into files, which are mapped.
  index.SealEarly(0);
  if (!index.WaitIdle(CancelToken(absl::Now() + kMemoryWait, nullptr)).ok()) return reserved;
  return memory->Reserve(2 * bytes, what);
}

std::vector<absl::Status> CollectionImpl::Check(std::span<const PointInput> points) const {
  std::vector<absl::Status> statuses;
  statuses.reserve(points.size());
  const Writer& writer = current_schema_.load()->writer;
  for (const PointInput& point : points) statuses.push_back(writer.Check(point));
  return statuses;
}

absl::StatusOr<SearchResponse> CollectionImpl::Search(const SearchRequest& request) const {
  absl::StatusOr<SearchResponse> response = RunSearch(request);
  return response.ok() ? std::move(response) : Explained(response.status());
}

absl::StatusOr<SearchResponse> CollectionImpl::RunSearch(const SearchRequest& request) const {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  Searcher searcher(*deps_.store, latest->schema->info, request, *deps_.cross_encoders, /*masks=*/nullptr,
                    deps_.search_pool);
  if (absl::Status status = searcher.Check(); !status.ok()) return status;
  absl::StatusOr<Version> version = ResolveFrom(*latest, request.at);
  if (!version.ok()) return version.status();
  if (const Cursor* cursor = searcher.cursor(); cursor != nullptr) {
    if (!std::holds_alternative<ReadAt::Latest>(request.at.at) && *version != cursor->version) {
      return absl::InvalidArgumentError(
          absl::StrCat("cursor: it reads version ", cursor->version.value,
                       ", the request asks for version ", version->value));
    }
    version = cursor->version;
  }
  const absl::StatusOr<IndexReader> reader = ReadAtVersion(*latest, *version);
  if (!reader.ok()) return reader.status();
  return searcher.Run(*reader);
}

absl::StatusOr<std::vector<SearchResponse>> CollectionImpl::SearchBatch(
    std::span<const SearchRequest> requests) const {
  absl::StatusOr<std::vector<SearchResponse>> responses = RunBatch(requests);
  return responses.ok() ? std::move(responses) : Explained(responses.status());
}

absl::StatusOr<std::vector<SearchResponse>> CollectionImpl::RunBatch(
    std::span<const SearchRequest> requests) const {
  std::vector<SearchResponse> responses;
  if (requests.empty()) return responses;
  if (requests.size() > kMaxBatch) {
    return absl::InvalidArgumentError(
        absl::StrCat(requests.size(), " requests in one batch, over ", kMaxBatch));
  }
  if (absl::Status status = CheckPrincipal(requests[0].principal); !status.ok()) return status;
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  const absl::StatusOr<Version> version = ResolveFrom(*latest, requests[0].at);
  if (!version.ok()) return version.status();
  const absl::StatusOr<IndexReader> reader = ReadAtVersion(*latest, *version);
  if (!reader.ok()) return reader.status();
  MaskCache masks;
  responses.resize(requests.size());
  std::vector<absl::Status> statuses(requests.size());
  const auto run = [&](size_t i) {
    absl::StatusOr<SearchResponse> response =
        RunOfBatch(requests[i], requests[0].principal, *latest, *reader, masks);
    statuses[i] = response.status();
    if (response.ok()) responses[i] = *std::move(response);
    return response.ok();
  };
  const size_t helpers = deps_.search_pool == nullptr ? 0 : deps_.search_pool->threads();
  WorkTogether(deps_.search_pool, helpers, requests.size(), run);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (statuses[i].ok()) continue;
    return absl::Status(statuses[i].code(),
                        absl::StrCat("requests[", i, "]: ", statuses[i].message()));
  }
  return responses;
}

absl::StatusOr<SearchResponse> CollectionImpl::RunOfBatch(const SearchRequest& request,
                                                          const Principal& principal,
                                                          const Latest& latest,
                                                          const IndexReader& reader,
                                                          MaskCache& masks) const {
  if (request.principal.tenant != principal.tenant ||
      request.principal.subject != principal.subject ||
      request.principal.groups != principal.groups) {
    return absl::InvalidArgumentError("it has another principal than the first request");
  }
  if (!request.cursor.empty()) {
    return absl::InvalidArgumentError("a cursor names its own version; send it alone");
  }
  const absl::StatusOr<Version> version = ResolveFrom(latest, request.at);
  if (!version.ok()) return version.status();
  if (*version != reader.at()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "it reads version ", version->value, ", the first request version ", reader.at().value));
  }
  Searcher searcher(*deps_.store, latest.schema->info, request, *deps_.cross_encoders, &masks, /*pool=*/nullptr);
  if (absl::Status status = searcher.Check(); !status.ok()) return status;
  return searcher.Run(reader);
}

absl::StatusOr<WhyNotResponse> CollectionImpl::WhyNot(const SearchRequest& request,
                                                      const PointId& id) const {
  absl::StatusOr<WhyNotResponse> response = RunWhyNot(request, id);
  return response.ok() ? std::move(response) : Explained(response.status());
}

absl::StatusOr<WhyNotResponse> CollectionImpl::RunWhyNot(const SearchRequest& request,
                                                         const PointId& id) const {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  Searcher searcher(*deps_.store, latest->schema->info, request, *deps_.cross_encoders, /*masks=*/nullptr,
                    deps_.search_pool);
  if (absl::Status status = searcher.Check(); !status.ok()) return status;
  const absl::StatusOr<Version> version = ResolveFrom(*latest, request.at);
  if (!version.ok()) return version.status();
  const absl::StatusOr<IndexReader> reader = ReadAtVersion(*latest, *version);
  if (!reader.ok()) return reader.status();
  return searcher.WhyNot(*reader, id);
}

absl::StatusOr<std::vector<std::optional<PointHit>>> CollectionImpl::Get(
    std::span<const PointId> ids, const ReadAt& at, const Projection& projection,
    const Principal& principal) const {
  absl::StatusOr<std::vector<std::optional<PointHit>>> points =
      RunGet(ids, at, projection, principal);
  return points.ok() ? std::move(points) : Explained(points.status());
}

absl::StatusOr<std::vector<std::optional<PointHit>>> CollectionImpl::RunGet(
    std::span<const PointId> ids, const ReadAt& at, const Projection& projection,
    const Principal& principal) const {
  if (absl::Status status = CheckPrincipal(principal); !status.ok()) return status;
  if (ids.size() > QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat(ids.size(), " ids in one read, over ", QueryLimits::kMaxLimit));
  }
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  const absl::StatusOr<Version> version = ResolveFrom(*latest, at);
  if (!version.ok()) return version.status();
  const absl::StatusOr<IndexReader> reader = ReadAtVersion(*latest, *version);
  if (!reader.ok()) return reader.status();
  const absl::StatusOr<RowMask> mask = reader->MakeMask(nullptr, principal, CancelToken());
  if (!mask.ok()) return mask.status();

  std::vector<PointHit> found;
  std::vector<size_t> positions;
  for (size_t i = 0; i < ids.size(); ++i) {
    const absl::StatusOr<std::optional<RowId>> row =
        deps_.store->FindPoint(id_, ids[i], *version);
    if (!row.ok()) return row.status();
    if (!row->has_value() || !reader->IsAllowed(**row, *mask)) continue;
    PointHit& hit = found.emplace_back();
    hit.id = ids[i];
    hit.row = **row;
    positions.push_back(i);
  }
  absl::Status status = FetchHits(*deps_.store, latest->schema->info, projection, found);
  if (!status.ok()) return status;
  std::vector<std::optional<PointHit>> points(ids.size());
  for (size_t i = 0; i < found.size(); ++i) points[positions[i]] = std::move(found[i]);
  return points;
}

absl::StatusOr<uint64_t> CollectionImpl::Count(const std::optional<Filter>& filter,
                                               const ReadAt& at, const Principal& principal) const {
  const absl::StatusOr<uint64_t> count = RunCount(filter ? &*filter : nullptr, at, principal);
  if (!count.ok()) return Explained(count.status());
  return count;
}

absl::StatusOr<uint64_t> CollectionImpl::RunCount(const Filter* filter, const ReadAt& at,
                                                  const Principal& principal) const {
  if (absl::Status status = CheckPrincipal(principal); !status.ok()) return status;
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  if (filter != nullptr) {
    if (absl::Status status = ValidateFilter(*filter, latest->schema->info.schema); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("filter: ", status.message()));
    }
  }
  const absl::StatusOr<Version> version = ResolveFrom(*latest, at);
  if (!version.ok()) return version.status();
  const absl::StatusOr<IndexReader> reader = ReadAtVersion(*latest, *version);
  if (!reader.ok()) return reader.status();
  const absl::StatusOr<RowMask> mask = reader->MakeMask(filter, principal, CancelToken());
  if (!mask.ok()) return mask.status();
  return mask->allowed_count;
}

CollectionStats CollectionImpl::Stats() const {
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return {};
  return {.version = latest->version,
          .points = latest->live_rows,
          .rows = latest->rows,
          .index = latest->index->Status()};
}

absl::Status CollectionImpl::Optimize(const CancelToken& cancel,
                                      const std::function<void(double)>& progress) {
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  return latest->index->Optimize(cancel, progress ? progress : [](double) {});
}

absl::Status CollectionImpl::WaitIdle(const CancelToken& cancel) {
  const absl::StatusOr<Latest> latest = Take();
  return latest.ok() ? latest->index->WaitIdle(cancel) : latest.status();
}

}  // namespace vouch
