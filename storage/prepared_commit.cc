#include "storage/prepared_commit.h"

#include <span>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "storage/checksum.h"
#include "storage/commit_codec.h"
#include "storage/concat.h"
#include "storage/key_format.h"
#include "storage/row_codec.h"
#include "storage/schema.h"
#include "storage/store.h"
#include "storage/utf8.h"
#include "storage/vector_codec.h"

namespace vouch {

namespace {

constexpr size_t kMaxAccessEntries = 1024;

absl::Status Over(std::string_view what, size_t value, std::string_view unit, size_t limit) {
  return absl::InvalidArgumentError(
      Concat(what, " has ", value, " ", unit, "; the limit is ", limit));
}

absl::Status CheckVectors(const RowInput& row, const CollectionEntry& entry) {
  if (row.vectors.size() != entry.dims.size()) {
    return absl::InvalidArgumentError(Concat(
        "point ", row.id.ToString(), " has ", row.vectors.size(),
        " vector entries; the collection has ", entry.dims.size(), " dense fields"));
  }
  for (size_t field = 0; field < row.vectors.size(); ++field) {
    const std::vector<float>& vector = row.vectors[field];
    if (vector.empty()) continue;
    if (vector.size() != entry.dims[field]) {
      return absl::InvalidArgumentError(Concat(
          "point ", row.id.ToString(), ": the vector of field \"", entry.fields[field], "\" has ",
          vector.size(), " dimensions; the field has ", entry.dims[field]));
    }
    if (IsRounded(entry.types[field], vector)) continue;
    for (size_t i = 0; i < vector.size(); ++i) {
      if (IsRounded(entry.types[field], std::span(&vector[i], 1))) continue;
      return absl::InvalidArgumentError(Concat(
          "point ", row.id.ToString(), ": the vector of field \"", entry.fields[field],
          "\" has the value ", vector[i], " at ", i, "; it must be finite and one of ",
          VectorTypeName(entry.types[field])));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSparse(const RowInput& row, const CollectionEntry& entry) {
  const auto bad = [&](const std::string& what) {
    return absl::InvalidArgumentError(Concat("point ", row.id.ToString(), what));
  };
  if (row.sparse.size() != entry.sparse_fields.size()) {
    return bad(Concat(" has ", row.sparse.size(), " sparse entries; the collection has ",
                      entry.sparse_fields.size(), " sparse fields"));
  }
  for (size_t field = 0; field < row.sparse.size(); ++field) {
    const std::string& name = entry.sparse_fields[field];
    const auto s = CheckSparseVector(row.sparse[field], Limits::kMaxSparseEntries);
    if (!s.ok()) return bad(Concat(": field \"", name, "\": ", s.message()));
    if (!IsCanonicalSparseVector(row.sparse[field], Limits::kMaxSparseEntries)) {
      return bad(Concat(": field \"", name, "\": the sparse vector is not in canonical form"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMultiVectors(const RowInput& row, const CollectionEntry& entry) {
  const std::vector<MultiVectorField>& fields = entry.multi_vector_fields;
  if (row.multi_vectors.size() != fields.size()) {
    return absl::InvalidArgumentError(
        Concat("point ", row.id.ToString(), " has ", row.multi_vectors.size(),
               " multi-vector entries; the collection has ", fields.size(), " multi-vector fields"));
  }
  for (size_t field = 0; field < fields.size(); ++field) {
    const auto s = CheckKeptMultiVector(fields[field], row.multi_vectors[field]);
    if (s.ok()) continue;
    return absl::InvalidArgumentError(Concat("point ", row.id.ToString(), ": field \"",
                                             fields[field].name, "\": ", s.message()));
  }
  return absl::OkStatus();
}

absl::Status CheckRow(const RowInput& row, const CollectionEntry& entry) {
  const auto over = [&row](std::string_view what, size_t value, size_t limit) {
    return absl::InvalidArgumentError(Concat("point ", row.id.ToString(), ": ", what, " has ",
                                                   value, "; the limit is ", limit));
  };
  if (row.payload.size() > Limits::kMaxPayloadBytes) {
    return over("the payload's size in bytes", row.payload.size(), Limits::kMaxPayloadBytes);
  }
  if (row.provenance.size() > Limits::kMaxPayloadBytes) {
    return over("the provenance's size in bytes", row.provenance.size(), Limits::kMaxPayloadBytes);
  }
  if (row.access.size() > kMaxAccessEntries) {
    return over("the access list's length", row.access.size(), kMaxAccessEntries);
  }
  for (const std::string& who : row.access) {
    if (who.size() > PointId::kMaxStringBytes) {
      return over("an access entry's size in bytes", who.size(), PointId::kMaxStringBytes);
    }
  }
  if (auto s = CheckVectors(row, entry); !s.ok()) return s;
  if (auto s = CheckSparse(row, entry); !s.ok()) return s;
  return CheckMultiVectors(row, entry);
}

absl::Status CheckHead(const CommitRequest& request) {
  const size_t rows = request.upserts.size() + request.deletes.size();
  if (rows > Limits::kMaxCommitRows) {
    return Over("the commit", rows, "upserts and deletes", Limits::kMaxCommitRows);
  }
  if (request.documents.size() > Limits::kMaxCommitRows) {
    return Over("the commit", request.documents.size(), "document changes", Limits::kMaxCommitRows);
  }
  if (request.artifacts.size() > Limits::kMaxCommitRows) {
    return Over("the commit", request.artifacts.size(), "artifacts", Limits::kMaxCommitRows);
  }
  if (request.request_id.size() > Limits::kMaxRequestIdBytes) {
    return Over("the request id", request.request_id.size(), "bytes", Limits::kMaxRequestIdBytes);
  }
  if (!IsValidUtf8(request.request_id)) {
    return absl::InvalidArgumentError("the request id is not UTF-8");
  }
  constexpr size_t kMaxActorBytes = 1024;
  const size_t actor = request.actor.tenant.size() + request.actor.subject.size();
  if (actor > kMaxActorBytes) return Over("the actor", actor, "bytes", kMaxActorBytes);
  return absl::OkStatus();
}

absl::Status CheckBytes(size_t bytes) {
  if (bytes <= Limits::kMaxCommitBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("the commit takes more than ", bytes,
                                                 " bytes; the limit is ", Limits::kMaxCommitBytes,
                                                 ": send it in parts"));
}

}  // namespace

absl::Status CheckArtifact(const Artifact& artifact) {
  if (artifact.bytes.size() > Limits::kMaxCommitBytes) {
    return Over("an artifact", artifact.bytes.size(), "bytes", Limits::kMaxCommitBytes);
  }
  if (!IsContentHash(artifact.hash) || ContentHash(artifact.bytes) != artifact.hash) {
    return absl::InvalidArgumentError(Concat("the artifact \"", artifact.hash.substr(0, 64),
                                                   "\" does not have the hash of its bytes, ",
                                                   ContentHash(artifact.bytes)));
  }
  return absl::OkStatus();
}

absl::Status CheckDocumentKey(std::string_view key) {
  if (key.empty()) return absl::InvalidArgumentError("a document key is empty");
  if (key.size() > kMaxDocumentKeyBytes) {
    return Over("a document key", key.size(), "bytes", kMaxDocumentKeyBytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<PreparedCommit> PrepareCommit(const CommitRequest& request,
                                             const CollectionEntry& entry) {
  if (auto s = CheckHead(request); !s.ok()) return s;
  PreparedCommit prepared;
  if (!request.request_id.empty()) {
    prepared.request_key = RequestKey(entry.prefix, request.request_id);
  }
  absl::flat_hash_set<std::string_view> ids;
  ids.reserve(request.upserts.size() + request.deletes.size());
  // No reallocation below: `ids` holds views of these strings.
  prepared.delete_keys.reserve(request.deletes.size());
  prepared.rows.reserve(request.upserts.size());
  const auto twice = [](const PointId& id) {
    return absl::InvalidArgumentError(
        Concat("point ", id.ToString(), " stands twice in one commit"));
  };
  for (const PointId& id : request.deletes) {
    prepared.delete_keys.push_back(NamedKey(entry.prefix, id.Encode()));
    prepared.bytes += prepared.delete_keys.back().size() + 64;
    if (!ids.insert(prepared.delete_keys.back()).second) return twice(id);
  }
  for (const RowInput& row : request.upserts) {
    if (auto s = CheckRow(row, entry); !s.ok()) return s;
    const std::string encoded_id = row.id.Encode();
    prepared.rows.push_back(
        {NamedKey(entry.prefix, encoded_id), EncodeRow(row, encoded_id)});
    prepared.bytes += prepared.rows.back().point_key.size() + prepared.rows.back().value.size() + 64;
    for (const auto& vector : row.vectors) prepared.bytes += 4 * vector.size();
    for (const auto& vector : row.sparse) prepared.bytes += 8 * vector.indices.size();
    for (const auto& vector : row.multi_vectors) prepared.bytes += 4 * vector.values.size();
    if (!ids.insert(prepared.rows.back().point_key).second) return twice(row.id);
    if (auto s = CheckBytes(prepared.bytes); !s.ok()) return s;
  }
  if (request.conditions.size() > Limits::kMaxCommitRows) {
    return Over("a commit", request.conditions.size(), "conditions", Limits::kMaxCommitRows);
  }
  prepared.condition_keys.reserve(request.conditions.size());
  for (const PointCondition& condition : request.conditions) {
    prepared.condition_keys.push_back(NamedKey(entry.prefix, condition.id.Encode()));
  }
  for (const DocumentChange& change : request.documents) {
    if (auto s = CheckDocumentKey(change.key); !s.ok()) return s;
    prepared.bytes += change.key.size() + (change.value ? change.value->size() : 0) + 64;
  }
  absl::flat_hash_set<std::string_view> hashes;
  for (const Artifact& artifact : request.artifacts) {
    if (auto s = CheckArtifact(artifact); !s.ok()) return s;
    if (!hashes.insert(artifact.hash).second) continue;
    prepared.artifacts.push_back(
        {NamedKey(entry.prefix, artifact.hash), EncodeArtifact(artifact.bytes)});
    prepared.bytes += prepared.artifacts.back().value.size() + 64;
  }
  if (auto s = CheckBytes(prepared.bytes); !s.ok()) return s;
  return prepared;
}

}  // namespace vouch
