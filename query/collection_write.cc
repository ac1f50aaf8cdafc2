// CollectionImpl's writes: each reads one snapshot, makes a commit of it, and has the commit log
// decide whether what it read still holds.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "index/payload/payload_columns.h"
#include "query/collection_impl.h"

namespace vouch {
namespace {

// Of a write whose points others change meanwhile.
constexpr int kMaxAttempts = 16;
constexpr size_t kRowsARead = 1'000;

size_t BytesOf(const RowInput& row) {
  size_t bytes = row.payload.size() + row.provenance.size();
  for (const auto& vector : row.vectors) bytes += vector.size() * sizeof(float);
  for (const auto& vector : row.sparse) bytes += vector.indices.size() * 8;
  for (const auto& vector : row.multi_vectors) bytes += vector.values.size() * sizeof(float);
  return bytes;
}

absl::Status CheckSize(size_t rows, size_t bytes, std::string_view what) {
  if (rows > Limits::kMaxCommitRows) {
    return absl::FailedPreconditionError(absl::StrCat(std::string(what), " ", rows,
                                                      " points, over ", Limits::kMaxCommitRows,
                                                      " in one commit"));
  }
  if (bytes > Limits::kMaxCommitBytes) {
    return absl::FailedPreconditionError(absl::StrCat(std::string(what), " points of over ",
                                                      Limits::kMaxCommitBytes,
                                                      " bytes in one commit"));
  }
  return absl::OkStatus();
}

RowInput InputOf(RowRecord&& record) {
  return {.id = std::move(record.id),
          .vectors = std::move(record.vectors),
          .sparse = std::move(record.sparse),
          .multi_vectors = std::move(record.multi_vectors),
          .payload = std::move(record.payload),
          .provenance = std::move(record.provenance),
          .access = std::move(record.access)};
}

PointCondition StillRow(PointId id, RowId row) {
  return {.id = std::move(id), .row = {row, RowId(row.value + 1)}, .aborts = true};
}

WriteResult ResultOf(const CommitHeader& header, bool replayed) {
  return {.version = header.version,
          .upserted = header.row_count,
          .retired = header.retired.size(),
          .replayed = replayed};
}

// Vectors of fields that were dropped, which rows of before still have.
void DropVectorsOf(const CollectionSchema& schema, std::vector<RowInput>& rows) {
  for (size_t field = 0; field < schema.dense.size(); ++field) {
    if (!schema.dense[field].dropped) continue;
    for (RowInput& row : rows) row.vectors[field].clear();
  }
  for (size_t field = 0; field < schema.sparse.size(); ++field) {
    if (!schema.sparse[field].dropped) continue;
    for (RowInput& row : rows) row.sparse[field] = {};
  }
  for (size_t field = 0; field < schema.multi_vector.size(); ++field) {
    if (!schema.multi_vector[field].dropped) continue;
    for (RowInput& row : rows) row.multi_vectors[field] = {};
  }
}

}  // namespace

absl::StatusOr<bool> CollectionImpl::ChangesNothing(const WriteRequest& request,
                                                    Version latest) const {
  if (!request.upserts.empty() || !request.documents.empty() || !request.artifacts.empty() ||
      !request.request_id.empty() || !request.conditions.empty()) {
    return false;
  }
  if (request.expected_version && *request.expected_version != latest) return false;
  for (const PointId& id : request.deletes) {
    const absl::StatusOr<std::optional<RowId>> row = deps_.store->FindPoint(id_, id, latest);
    if (!row.ok()) return row.status();
    if (row->has_value()) return false;
  }
  return true;
}

absl::StatusOr<std::optional<WriteResult>> CollectionImpl::FindReply(
    const Latest& latest, const std::string& request_id) const {
  if (request_id.empty()) return std::nullopt;
  const auto header = deps_.store->FindRequest(id_, request_id);
  if (!header.ok()) return header.status();
  // One that is durable and not yet applied is replayed by the commit log, which waits for it.
  if (!header->has_value() || (*header)->version > latest.version) return std::nullopt;
  return ResultOf(**header, /*replayed=*/true);
}

absl::Status CollectionImpl::WithVersion(absl::Status status) const {
  const auto payload = status.GetPayload(kFoundRowPayload);
  uint64_t row = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &row)) return status;
  const absl::StatusOr<CommitHeader> header =
      deps_.store->FindCommitOfRow(id_, RowId(row));
  if (!header.ok()) return absl::Status(status.code(), status.message());
  return absl::Status(status.code(), absl::StrCat(status.message(), ", last written at version ",
                                                  header->version.value));
}

absl::StatusOr<WriteResult> CollectionImpl::Commit(const Latest& latest, CommitRequest commit) {
  commit.collection = id_;
  commit.time_us = deps_.clock->NowMicros();
  commit.schema_version = latest.schema->info.schema_version;
  DropVectorsOf(latest.schema->info.schema, commit.upserts);
  const absl::StatusOr<MemoryBudget::Reservation> reserved = ReserveFor(*latest.index, commit.upserts);
  if (!reserved.ok()) return reserved.status();
  absl::StatusOr<std::shared_ptr<const PreparedRows>> prepared =
      latest.index->Prepare(commit.upserts);
  if (!prepared.ok()) return prepared.status();
  commit.prepared = *std::move(prepared);
  const absl::StatusOr<CommitResult> done = deps_.store->commit_log().Commit(std::move(commit));
  if (!done.ok()) return WithVersion(done.status());
  return ResultOf(done->header, done->replayed);
}

absl::StatusOr<WriteResult> CollectionImpl::Retry(
    const std::string& request_id, std::optional<Version> expected_version,
    const std::function<absl::StatusOr<WriteResult>(const Latest&)>& attempt) {
  absl::StatusOr<WriteResult> result = absl::InternalError("not run");
  for (int i = 0; i < kMaxAttempts; ++i) {
    const absl::StatusOr<Latest> latest = Take();
    if (!latest.ok()) return latest.status();
    const absl::StatusOr<std::optional<WriteResult>> reply = FindReply(*latest, request_id);
    if (!reply.ok()) return Explained(reply.status());
    if (reply->has_value()) return **reply;
    if (expected_version.has_value() && *expected_version != latest->version) {
      return absl::AbortedError(absl::StrCat("the collection is at version ", latest->version.value,
                                             ", not at the expected ", expected_version->value));
    }
    result = attempt(*latest);
    if (result.ok()) return result;
    if (!absl::IsAborted(result.status())) break;
  }
  // The same request may have been made by another call since.
  if (const absl::StatusOr<Latest> latest = Take(); latest.ok()) {
    const absl::StatusOr<std::optional<WriteResult>> reply = FindReply(*latest, request_id);
    if (reply.ok() && reply->has_value()) return **reply;
  }
  return Explained(result.status());
}

absl::StatusOr<WriteResult> CollectionImpl::Write(WriteRequest request) {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  const WriteGate::Pass pass(gate_);
  const absl::StatusOr<Latest> latest = Take();
  if (!latest.ok()) return latest.status();
  const absl::StatusOr<bool> nothing = ChangesNothing(request, latest->version);
  if (!nothing.ok()) return Explained(nothing.status());
  if (*nothing) return WriteResult{.version = latest->version};
  const std::vector<WriteCondition> conditions = std::move(request.conditions);
  std::vector<PointId> named;
  if (!conditions.empty()) {
    for (const PointInput& point : request.upserts) named.push_back(point.id);
    named.insert(named.end(), request.deletes.begin(), request.deletes.end());
  }
  const Principal principal = request.principal;
  absl::StatusOr<CommitRequest> commit =
      latest->schema->writer.MakeCommit(id_, deps_.clock->NowMicros(), std::move(request));
  if (!commit.ok()) return commit.status();
  if (conditions.empty()) {
    absl::StatusOr<WriteResult> result = Commit(*latest, *std::move(commit));
    return result.ok() ? result : Explained(result.status());
  }
  return Retry(commit->request_id, commit->expected_version,
               [&](const Latest& now) -> absl::StatusOr<WriteResult> {
                 CommitRequest attempt = *commit;
                 absl::Status status = AddConditions(now, conditions, named, principal, attempt);
                 if (!status.ok()) return status;
                 return Commit(now, std::move(attempt));
               });
}

absl::Status CollectionImpl::AddCondition(const Latest& latest, const WriteCondition& condition,
                                          const PointId& id, const IndexReader& reader,
                                          const RowMask* mask, CommitRequest& commit) const {
  if (std::holds_alternative<WriteCondition::Absent>(condition.must)) {
    commit.conditions.push_back({.id = id, .row = {}});
    return absl::OkStatus();
  }
  if (std::holds_alternative<WriteCondition::Present>(condition.must)) {
    commit.conditions.push_back({.id = id, .row = {RowId(0), kNoRow}});
    return absl::OkStatus();
  }
  if (const auto* version = std::get_if<Version>(&condition.must)) {
    if (*version == Version(0) || *version > latest.version) {
      return absl::FailedPreconditionError(absl::StrCat(
          "point ", id.ToString(), ": no commit has the version ", version->value,
          " that it is to be last written at; the latest is ", latest.version.value));
    }
    const absl::StatusOr<CommitHeader> header = deps_.store->GetCommit(id_, *version);
    if (!header.ok()) return header.status();
    if (header->row_count == 0) {
      return absl::FailedPreconditionError(absl::StrCat("point ", id.ToString(), ": version ",
                                                        version->value, " wrote no points"));
    }
    commit.conditions.push_back({.id = id, .row = {header->first_row, header->rows_end()}});
    return absl::OkStatus();
  }
  const absl::StatusOr<std::optional<RowId>> row =
      deps_.store->FindPoint(id_, id, latest.version);
  if (!row.ok()) return row.status();
  if (row->has_value() && reader.IsAllowed(**row, *mask)) {
    commit.conditions.push_back(StillRow(id, **row));
    return absl::OkStatus();
  }
  if (!row->has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "point ", id.ToString(), ": the write asks that it meets a filter; it is not there"));
  }
  absl::Status failed = absl::FailedPreconditionError(
      absl::StrCat("point ", id.ToString(), ": it does not meet the write's filter"));
  failed.SetPayload(kFoundRowPayload, absl::Cord(std::to_string((*row)->value)));
  return WithVersion(failed);
}

absl::Status CollectionImpl::AddConditions(const Latest& latest,
                                           std::span<const WriteCondition> conditions,
                                           std::span<const PointId> named,
                                           const Principal& principal,
                                           CommitRequest& commit) const {
  const IndexReader reader = ReadLatest(latest);
  for (size_t i = 0; i < conditions.size(); ++i) {
    const WriteCondition& condition = conditions[i];
    absl::StatusOr<RowMask> mask = RowMask{};
    if (const auto* filter = std::get_if<Filter>(&condition.must)) {
      absl::Status valid = ValidateFilter(*filter, latest.schema->info.schema);
      if (!valid.ok()) {
        return absl::Status(valid.code(),
                            absl::StrCat("conditions[", i, "]: filter: ", valid.message()));
      }
      mask = reader.MakeMask(filter, principal, CancelToken());
      if (!mask.ok()) return mask.status();
    }
    const std::span<const PointId> ids =
        condition.id.has_value() ? std::span<const PointId>(&*condition.id, 1) : named;
    for (const PointId& id : ids) {
      absl::Status status = AddCondition(latest, condition, id, reader, &*mask, commit);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<CollectionImpl::Selected> CollectionImpl::Select(const Latest& latest,
                                                                const PointSelection& selection,
                                                                const Principal& principal,
                                                                const CancelToken& cancel) const {
  if (selection.limit < 1 || selection.limit > Limits::kMaxCommitRows) {
    return absl::InvalidArgumentError(absl::StrCat("limit is ", selection.limit,
                                                   "; it takes 1 to ", Limits::kMaxCommitRows));
  }
  if (absl::Status status = ValidateFilter(selection.filter, latest.schema->info.schema); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("filter: ", status.message()));
  }
  const IndexReader reader = ReadLatest(latest);
  const absl::StatusOr<RowMask> mask = reader.MakeMask(&selection.filter, principal, cancel);
  if (!mask.ok()) return mask.status();
  const uint64_t count = mask->allowed_count;
  if (selection.expected_count.has_value() && count != *selection.expected_count) {
    return absl::FailedPreconditionError(
        absl::StrCat("the filter matches ", count, " points at version ", latest.version.value,
                     ", not the expected ", *selection.expected_count));
  }
  if (count > selection.limit) {
    return absl::FailedPreconditionError(
        absl::StrCat("the filter matches ", count, " points at version ", latest.version.value,
                     ", over the limit of ", selection.limit));
  }
  return Selected{.rows = reader.ScrollRows(*mask, kNoRow, count), .updates = {}};
}

absl::StatusOr<CollectionImpl::Selected> CollectionImpl::FindUpdated(
    const Latest& latest, const UpdateRequest& request) const {
  if (request.selection.has_value()) {
    return Select(latest, *request.selection, request.principal, request.cancel);
  }
  const IndexReader reader = ReadLatest(latest);
  const absl::StatusOr<RowMask> mask = reader.MakeMask(nullptr, request.principal, request.cancel);
  if (!mask.ok()) return mask.status();
  Selected selected;
  for (size_t i = 0; i < request.updates.size(); ++i) {
    const PointId& id = request.updates[i].id;
    const absl::StatusOr<std::optional<RowId>> row =
        deps_.store->FindPoint(id_, id, latest.version);
    if (!row.ok()) return row.status();
    if (row->has_value() && reader.IsAllowed(**row, *mask)) {
      selected.rows.push_back(**row);
      selected.updates.push_back(i);
    } else if (!request.skip_missing) {
      return absl::NotFoundError(absl::StrCat("point ", id.ToString(), " (updates[", i,
                                              "]) is not there at version ",
                                              latest.version.value));
    }
  }
  return selected;
}

absl::Status CollectionImpl::CheckUpdate(const UpdateRequest& request) const {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  if (request.request_id.size() > Limits::kMaxRequestIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("request_id has ", request.request_id.size(),
                                                   " bytes, over ", Limits::kMaxRequestIdBytes));
  }
  if (request.selection.has_value()) {
    if (!request.updates.empty()) {
      return absl::InvalidArgumentError("an update names points by id or by filter, not by both");
    }
    return current_schema_.load()->writer.CheckChange(request.change, "the change");
  }
  if (!request.change.empty()) {
    return absl::InvalidArgumentError("a change for all points stands without a filter");
  }
  if (request.updates.size() > Limits::kMaxCommitRows) {
    return absl::InvalidArgumentError(absl::StrCat("the write has ", request.updates.size(),
                                                   " updates, over ", Limits::kMaxCommitRows,
                                                   "; send it in parts"));
  }
  absl::flat_hash_set<std::string> seen;
  for (size_t i = 0; i < request.updates.size(); ++i) {
    const PointId& id = request.updates[i].id;
    const std::string label = absl::StrCat("point '", id.ToString(), "' (updates[", i, "])");
    if (!seen.insert(id.Encode()).second) {
      return absl::InvalidArgumentError(absl::StrCat(label, ": the id stands twice in one write"));
    }
    if (absl::Status s = current_schema_.load()->writer.CheckChange(request.updates[i].change, label); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::StatusOr<WriteResult> CollectionImpl::Update(UpdateRequest request) {
  const WriteGate::Pass pass(gate_);
  if (absl::Status status = CheckUpdate(request); !status.ok()) return status;
  return Retry(request.request_id, request.expected_version,
               [&](const Latest& latest) { return TryUpdate(latest, request); });
}

absl::StatusOr<WriteResult> CollectionImpl::TryUpdate(const Latest& latest,
                                                      const UpdateRequest& request) {
  if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
  const absl::StatusOr<Selected> selected = FindUpdated(latest, request);
  if (!selected.ok()) return selected.status();
  const std::vector<RowId>& rows = selected->rows;
  const bool empty = rows.empty() && request.request_id.empty() && request.conditions.empty();
  if (request.dry_run || empty) {
    return WriteResult{.version = latest.version, .matched = rows.size()};
  }
  CommitRequest commit;
  commit.actor = request.principal;
  commit.request_id = request.request_id;
  commit.expected_version = request.expected_version;
  size_t bytes = 0;
  for (size_t begin = 0; begin < rows.size(); begin += kRowsARead) {
    if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
    const size_t count = std::min(kRowsARead, rows.size() - begin);
    absl::StatusOr<std::vector<RowRecord>> records = deps_.store->ReadRows(
        id_, std::span(rows).subspan(begin, count), /*with_vectors=*/true);
    if (!records.ok()) return records.status();
    for (size_t i = 0; i < count; ++i) {
      const PointChange& change = request.selection.has_value()
                                      ? request.change
                                      : request.updates[selected->updates[begin + i]].change;
      commit.conditions.push_back(StillRow((*records)[i].id, rows[begin + i]));
      absl::StatusOr<RowInput> row = latest.schema->writer.ChangeRow(std::move((*records)[i]), change);
      if (!row.ok()) return row.status();
      bytes += BytesOf(*row);
      commit.upserts.push_back(*std::move(row));
    }
    if (absl::Status s = CheckSize(rows.size(), bytes, "the update changes"); !s.ok()) return s;
  }
  std::vector<PointId> named;
  for (const RowInput& row : commit.upserts) named.push_back(row.id);
  absl::Status status = AddConditions(latest, request.conditions, named, request.principal, commit);
  if (!status.ok()) return status;
  absl::StatusOr<WriteResult> result = Commit(latest, std::move(commit));
  if (result.ok() && !result->replayed) result->matched = rows.size();
  return result;
}

absl::StatusOr<WriteResult> CollectionImpl::DeleteByFilter(DeleteByFilterRequest request) {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  const WriteGate::Pass pass(gate_);
  return Retry(request.request_id, request.expected_version,
               [&](const Latest& latest) { return TryDelete(latest, request); });
}

absl::StatusOr<WriteResult> CollectionImpl::TryDelete(const Latest& latest,
                                                      const DeleteByFilterRequest& request) {
  const absl::StatusOr<Selected> selected =
      Select(latest, request.selection, request.principal, request.cancel);
  if (!selected.ok()) return selected.status();
  const std::vector<RowId>& rows = selected->rows;
  if (request.dry_run || (rows.empty() && request.request_id.empty())) {
    return WriteResult{.version = latest.version, .matched = rows.size()};
  }
  CommitRequest commit;
  commit.actor = request.principal;
  commit.request_id = request.request_id;
  commit.expected_version = request.expected_version;
  const IndexReader reader = ReadLatest(latest);
  for (const RowId row : rows) {
    commit.deletes.push_back(reader.IdOf(row));
    commit.conditions.push_back(StillRow(commit.deletes.back(), row));
  }
  absl::StatusOr<WriteResult> result = Commit(latest, std::move(commit));
  if (result.ok() && !result->replayed) result->matched = rows.size();
  return result;
}

absl::StatusOr<WriteResult> CollectionImpl::Restore(RestoreRequest request) {
  if (absl::Status status = CheckPrincipal(request.principal); !status.ok()) return status;
  const WriteGate::Pass pass(gate_);
  return Retry(request.request_id, std::nullopt,
               [&](const Latest& latest) { return TryRestore(latest, request); });
}

absl::StatusOr<WriteResult> CollectionImpl::TryRestore(const Latest& latest,
                                                       const RestoreRequest& request) {
  const absl::StatusOr<Version> at = ResolveFrom(latest, ReadAt{request.at});
  if (!at.ok()) return at.status();
  const absl::StatusOr<std::shared_ptr<const void>> hold = Hold(latest, *at);
  if (!hold.ok()) return hold.status();
  const absl::StatusOr<uint64_t> rows_at = RowsAt(latest, *at);
  if (!rows_at.ok()) return rows_at.status();
  // Rows of the version that are gone since, and rows that came since and are there now.
  std::vector<RowId> gone;
  absl::flat_hash_set<RowId> dead;
  absl::Status status = deps_.store->ScanRetired(
      id_, {RowId(0), RowId(latest.rows)}, [&](RowId row, Version version) {
        if (version > latest.version) return;
        if (row.value >= *rows_at) {
          dead.insert(row);
        } else if (version > *at) {
          gone.push_back(row);
        }
      });
  if (!status.ok()) return status;
  CommitRequest commit;
  commit.actor = request.principal;
  commit.request_id = request.request_id;
  commit.expected_version = latest.version;
  RestorePlan plan{.at = *at, .latest = latest.version};
  absl::flat_hash_set<std::string> back;  // encoded ids
  size_t bytes = 0;
  if (status = CheckSize(gone.size(), 0, "the restoration adds"); !status.ok()) return status;
  for (size_t begin = 0; begin < gone.size(); begin += kRowsARead) {
    if (status = request.cancel.Check(); !status.ok()) return status;
    absl::StatusOr<std::vector<RowRecord>> records = deps_.store->ReadRows(
        id_,
        std::span<const RowId>(gone).subspan(begin, std::min(kRowsARead, gone.size() - begin)),
        /*with_vectors=*/true);
    if (!records.ok()) return records.status();
    for (RowRecord& record : *records) {
      plan.provenances.push_back(record.provenance);
      back.insert(record.id.Encode());
      commit.upserts.push_back(InputOf(std::move(record)));
      bytes += BytesOf(commit.upserts.back());
    }
    if (status = CheckSize(gone.size(), bytes, "the restoration adds"); !status.ok()) return status;
  }
  status = deps_.store->ScanRows(
      id_, {RowId(*rows_at), RowId(latest.rows)}, /*with_vectors=*/false,
      [&](RowRecord&& record) -> absl::Status {
        if (dead.contains(record.row)) return absl::OkStatus();
        plan.provenances.push_back(std::move(record.provenance));
        if (!back.contains(record.id.Encode())) commit.deletes.push_back(std::move(record.id));
        return request.cancel.Check();
      });
  if (!status.ok()) return status;
  const size_t changed = commit.upserts.size() + commit.deletes.size();
  if (status = CheckSize(changed, bytes, "the restoration changes"); !status.ok()) return status;
  if (request.dry_run || (changed == 0 && request.request_id.empty())) {
    return WriteResult{.version = latest.version, .matched = changed};
  }
  if (request.documents) {
    absl::StatusOr<std::vector<DocumentChange>> documents = request.documents(plan);
    if (!documents.ok()) return documents.status();
    commit.documents = *std::move(documents);
  }
  absl::StatusOr<WriteResult> result = Commit(latest, std::move(commit));
  if (result.ok() && !result->replayed) result->matched = changed;
  return result;
}

}  // namespace vouch
