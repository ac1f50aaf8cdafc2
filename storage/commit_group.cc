#include "storage/commit_group.h"

#include <rocksdb/slice.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "storage/commit_codec.h"
#include "storage/concat.h"
#include "storage/fence.h"
#include "storage/key_format.h"
#include "storage/rocks.h"
#include "storage/rocks_slice.h"
#include "storage/vector_codec.h"

namespace vouch {

namespace {

void PutVector(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* family,
               const std::string& key, VectorType type, const std::vector<float>& vector) {
  const rocksdb::Slice key_part(key);
  const std::string head = VectorHead(type, vector.size());
  std::string encoded;
  rocksdb::Slice bytes(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
  if (type != VectorType::kF32) {
    encoded.resize(VectorBytes(type, vector.size()));
    EncodeVector(type, vector, encoded.data());
    bytes = encoded;
  }
  const rocksdb::Slice value_parts[] = {head, bytes};
  batch.Put(family, rocksdb::SliceParts(&key_part, 1), rocksdb::SliceParts(value_parts, 2));
}

}  // namespace

absl::Status CommitGroup::Build(std::span<PendingCommit* const> commits,
                                rocksdb::WriteBatch& batch) {
  if (auto s = LookUp(commits); !s.ok()) return s;
  for (PendingCommit* commit : commits) {
    if (auto s = BuildOne(*commit, batch); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status CommitGroup::LookUp(std::span<PendingCommit* const> commits) {
  std::vector<std::string_view> points;
  std::vector<std::string_view> requests;
  for (const PendingCommit* commit : commits) {
    for (const PreparedCommit::Row& row : commit->prepared.rows) points.push_back(row.point_key);
    for (const std::string& key : commit->prepared.delete_keys) points.push_back(key);
    for (const std::string& key : commit->prepared.condition_keys) points.push_back(key);
    if (!commit->prepared.request_key.empty()) requests.push_back(commit->prepared.request_key);
  }
  auto found_points = rocks_.MultiGet(Family::kPoints, points);
  if (!found_points.ok()) return found_points.status();
  for (size_t i = 0; i < points.size(); ++i) {
    if (!(*found_points)[i].has_value()) continue;
    absl::StatusOr<PointState> state = DecodePoint(*(*found_points)[i]);
    if (!state.ok()) return state.status();
    points_[points[i]] = *state;
  }
  auto found_requests = rocks_.MultiGet(Family::kCommits, requests);
  if (!found_requests.ok()) return found_requests.status();
  for (size_t i = 0; i < requests.size(); ++i) {
    if (!(*found_requests)[i].has_value()) continue;
    absl::StatusOr<Version> version = DecodeVersion(*(*found_requests)[i]);
    if (!version.ok()) return version.status();
    requests_[requests[i]] = *version;
  }
  return absl::OkStatus();
}

absl::StatusOr<CommitGroup::Tip*> CommitGroup::FindTip(const PendingCommit& commit) {
  const auto at = tips_.find(commit.request.collection);
  if (at != tips_.end()) return &at->second;
  absl::StatusOr<CollectionTip> tip = directory_.Tip(commit.request.collection);
  if (!tip.ok()) return tip.status();
  auto fence = rocks_.Get(Family::kDocuments, NamedKey(commit.entry->prefix, kFenceDocument));
  if (!fence.ok()) return fence.status();
  return &tips_.emplace(commit.request.collection, Tip{*tip, std::nullopt, *std::move(fence)})
              .first->second;
}

absl::Status CommitGroup::Replay(PendingCommit& commit, Version version) {
  auto value = rocks_.Get(Family::kCommits, CommitKey(commit.entry->prefix, version));
  if (!value.ok()) return value.status();
  if (!value->has_value()) {
    commit.result = absl::DataLossError(Concat("commit ", version.value, " of collection ",
                                                     commit.entry->id.value, " is missing"));
    return absl::OkStatus();
  }
  absl::StatusOr<CommitHeader> header = DecodeCommitHeader(commit.entry->id, version, **value);
  if (header.ok()) {
    commit.result = CommitResult{*std::move(header), true};
  } else {
    commit.result = header.status();
  }
  return absl::OkStatus();
}

absl::Status CommitGroup::ReturnLatest(PendingCommit& commit, const Tip& tip) {
  if (tip.last.has_value()) {
    commit.result = CommitResult{*tip.last, false};
    commit.needs_group = true;
    return absl::OkStatus();
  }
  if (tip.tip.state.latest == Version(0)) {
    commit.result = CommitResult{};
    return absl::OkStatus();
  }
  if (auto s = Replay(commit, tip.tip.state.latest); !s.ok()) return s;
  if (commit.result.ok()) commit.result->replayed = false;
  return absl::OkStatus();
}

// An error is one that ends the group; what is wrong with this commit alone goes into its result.
absl::Status CommitGroup::BuildOne(PendingCommit& commit, rocksdb::WriteBatch& batch) {
  const CommitRequest& request = commit.request;
  absl::StatusOr<Tip*> found = FindTip(commit);
  if (!found.ok()) {
    commit.result = found.status();
    return absl::OkStatus();
  }
  Tip& tip = **found;
  const std::string& request_key = commit.prepared.request_key;
  if (!request_key.empty()) {
    if (const auto made = made_by_request_.find(request_key); made != made_by_request_.end()) {
      commit.result = CommitResult{made->second->result->header, true};
      commit.needs_group = true;
      return absl::OkStatus();
    }
    if (const auto stored = requests_.find(request_key); stored != requests_.end()) {
      return Replay(commit, stored->second);
    }
  }
  CollectionState& state = tip.tip.state;
  if (request.expected_version.has_value() && *request.expected_version != state.latest) {
    commit.needs_group = true;  // the version may be of a commit before it in the group
    commit.result = absl::AbortedError(Concat(
        "the collection is at version ", state.latest.value, ", not at the expected ",
        request.expected_version->value));
    return absl::OkStatus();
  }
  // Only exclusive work alters a schema, so none changes while a group is made.
  const auto entry = directory_.Find(commit.entry->id);
  absl::Status allowed = entry.ok() ? CheckSchema(request, **entry) : entry.status();
  if (allowed.ok()) allowed = CheckFence(commit, tip);
  if (allowed.ok()) allowed = CheckConditions(commit);
  if (auto s = std::move(allowed); !s.ok()) {
    commit.needs_group = true;  // what was found may be of a commit before it in the group
    commit.result = s;
    return absl::OkStatus();
  }

  CommitHeader header;
  header.version = Version(state.latest.value + 1);
  // Never before the commit before it, so that versions are found by time (Store::FindVersionAt).
  header.time_us = std::max(request.time_us, tip.tip.time_us);
  header.actor = Concat(request.actor.tenant, "/", request.actor.subject);
  header.request_id = request.request_id;
  header.first_row = RowId(state.rows);
  header.row_count = request.upserts.size();
  AddDeletes(commit, header, batch);
  const bool empty = request.upserts.empty() && header.retired.empty() &&
                     request.documents.empty() && commit.prepared.artifacts.empty();
  if (empty && request_key.empty()) return ReturnLatest(commit, tip);
  AddRows(commit, header, batch);
  std::sort(header.retired.begin(), header.retired.end());
  header.live_rows = state.live_rows + header.row_count - header.retired.size();

  const std::string& prefix = commit.entry->prefix;
  for (const DocumentChange& change : request.documents) {
    const std::string key = NamedKey(prefix, change.key);
    if (change.key == kFenceDocument) tip.fence = change.value;
    if (change.value.has_value()) {
      batch.Put(rocks_.handle(Family::kDocuments), key, *change.value);
    } else {
      batch.Delete(rocks_.handle(Family::kDocuments), key);
    }
  }
  for (const PreparedCommit::Artifact& artifact : commit.prepared.artifacts) {
    batch.Put(rocks_.handle(Family::kArtifacts), artifact.key, artifact.value);
  }
  batch.Put(rocks_.handle(Family::kCommits), CommitKey(prefix, header.version),
            EncodeCommitHeader(commit.entry->id, header));
  if (!request_key.empty()) {
    batch.Put(rocks_.handle(Family::kCommits), request_key, EncodeVersion(header.version));
    made_by_request_[request_key] = &commit;
  }
  state = CollectionState{header.version, header.rows_end().value, header.live_rows};
  tip.tip.time_us = header.time_us;
  tip.last = header;
  commit.result = CommitResult{std::move(header), false};
  commit.is_new = true;
  commit.needs_group = true;
  return absl::OkStatus();
}

absl::Status CommitGroup::CheckFence(const PendingCommit& commit, const Tip& tip) {
  if (!tip.fence.has_value()) return absl::OkStatus();
  for (const DocumentChange& change : commit.request.documents) {
    if (change.key == kFenceDocument) return absl::OkStatus();
  }
  return absl::FailedPreconditionError(Concat("the collection takes no writes: ", *tip.fence));
}

absl::Status CommitGroup::CheckSchema(const CommitRequest& request, const CollectionEntry& entry) {
  const Version now = entry.schema_version;
  if (now == request.schema_version) return absl::OkStatus();
  absl::Status altered = absl::AbortedError(Concat(
      "the collection's schema was altered by version ", now.value, "; the write was made for the one of version ",
      request.schema_version.value));
  altered.SetPayload(kSchemaAlteredPayload, absl::Cord(std::to_string(now.value)));
  return altered;
}

absl::Status CommitGroup::CheckConditions(const PendingCommit& commit) const {
  for (size_t i = 0; i < commit.request.conditions.size(); ++i) {
    const PointCondition& condition = commit.request.conditions[i];
    const auto at = points_.find(commit.prepared.condition_keys[i]);
    const bool live = at != points_.end() && !at->second.deleted;
    const bool holds =
        condition.row.empty() ? !live : live && condition.row.Contains(at->second.row);
    if (holds) continue;
    const std::string message =
        Concat("point ", condition.id.ToString(), ": ",
               condition.row.empty() ? "the write asks that it is not there"
                                     : "the write asks for another state of it",
               live ? "; it is there, as row " : "; it is not there",
               live ? std::to_string(at->second.row.value) : std::string());
    absl::Status failed = condition.aborts ? absl::AbortedError(message)
                                           : absl::FailedPreconditionError(message);
    if (live) failed.SetPayload(kFoundRowPayload, absl::Cord(std::to_string(at->second.row.value)));
    return failed;
  }
  return absl::OkStatus();
}

void CommitGroup::AddDeletes(PendingCommit& commit, CommitHeader& header,
                             rocksdb::WriteBatch& batch) {
  const std::string version = EncodeVersion(header.version);
  for (const std::string& key : commit.prepared.delete_keys) {
    const auto at = points_.find(key);
    if (at == points_.end() || at->second.deleted) continue;
    PointState& point = at->second;
    header.retired.push_back(point.row);
    point.deleted = true;
    batch.Put(rocks_.handle(Family::kRetired), RowKey(commit.entry->prefix, point.row), version);
    batch.Put(rocks_.handle(Family::kPoints), key, EncodePoint(point));
  }
}

void CommitGroup::AddRows(PendingCommit& commit, CommitHeader& header,
                          rocksdb::WriteBatch& batch) {
  const CollectionEntry& entry = *commit.entry;
  const std::string version = EncodeVersion(header.version);
  for (size_t i = 0; i < commit.prepared.rows.size(); ++i) {
    PreparedCommit::Row& row = commit.prepared.rows[i];
    const RowId number(header.first_row.value + i);
    RowId previous = kNoRow;
    const auto at = points_.find(row.point_key);
    if (at != points_.end()) {
      previous = at->second.row;
      if (!at->second.deleted) {
        header.retired.push_back(previous);
        batch.Put(rocks_.handle(Family::kRetired), RowKey(entry.prefix, previous), version);
      }
      at->second = PointState{number, false};
    } else {
      points_[row.point_key] = PointState{number, false};
    }
    FinishRow(row.value, entry.id, number, previous);
    batch.Put(rocks_.handle(Family::kRows), RowKey(entry.prefix, number), ToSlice(row.value));
    batch.Put(rocks_.handle(Family::kPoints), row.point_key, EncodePoint({number, false}));
    const std::vector<std::vector<float>>& vectors = commit.request.upserts[i].vectors;
    for (size_t field = 0; field < vectors.size(); ++field) {
      if (vectors[field].empty()) continue;
      PutVector(batch, rocks_.handle(Family::kVectors),
                VectorKey(entry.prefix, number, static_cast<uint16_t>(field)), entry.types[field],
                vectors[field]);
    }
    const std::vector<SparseVector>& sparse = commit.request.upserts[i].sparse;
    for (size_t field = 0; field < sparse.size(); ++field) {
      if (sparse[field].empty()) continue;
      batch.Put(rocks_.handle(Family::kVectors), SparseKey(entry.prefix, number, field),
                EncodeSparseVector(sparse[field]));
    }
    const std::vector<MultiVector>& multi = commit.request.upserts[i].multi_vectors;
    for (size_t field = 0; field < multi.size(); ++field) {
      if (multi[field].empty()) continue;
      batch.Put(rocks_.handle(Family::kVectors), MultiVectorKey(entry.prefix, number, field),
                EncodeMultiVector(entry.multi_vector_fields[field].type, multi[field]));
    }
  }
}

void CommitGroup::PublishTips() {
  for (const auto& [collection, tip] : tips_) {
    if (tip.last.has_value()) directory_.SetTip(collection, tip.tip);
  }
}

}  // namespace vouch
