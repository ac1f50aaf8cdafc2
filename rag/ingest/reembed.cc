#include "rag/ingest/reembed.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "rag/ingest/chunk_point.h"
#include "rag/provenance.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr int kReembedAttempts = 16;

// The live rows that ingestion made, as points without the embedded field's vector.
struct LiveChunks {
  std::vector<PointInput> points;
  std::vector<Provenance> provenance;
  std::vector<std::string> texts;
};

absl::StatusOr<LiveChunks> ReadLiveChunks(Collection& collection, const CollectionState& state,
                                          const std::string& embedded_field, const CancelToken& cancel) {
  const RowRange rows{RowId(0), RowId(state.rows)};
  absl::flat_hash_set<uint64_t> retired;
  absl::Status status = collection.store().ScanRetired(collection.id(), rows, [&](RowId row, Version at) {
    if (at <= state.latest) retired.insert(row.value);
  });
  if (!status.ok()) return status;
  const CollectionSchema& schema = collection.schema();
  LiveChunks live;
  uint64_t bytes = 0;
  status = collection.store().ScanRows(
      collection.id(), rows, /*with_vectors=*/schema.dense.size() > 1 || !schema.sparse.empty() || !schema.multi_vector.empty(),
      [&](RowRecord&& row) -> absl::Status {
        if (retired.contains(row.row.value)) return absl::OkStatus();
        absl::StatusOr<Provenance> provenance = DecodeProvenance(row.provenance);
        if (!provenance.ok()) return absl::OkStatus();
        if (live.points.size() % 1024 == 0) {
          if (absl::Status going = cancel.Check(); !going.ok()) return going;
        }
        bytes += row.payload.size() + row.provenance.size() + schema.dense.front().dim * sizeof(float);
        if (live.points.size() >= Limits::kMaxCommitRows || bytes > Limits::kMaxCommitBytes / 10 * 9) {
          return absl::ResourceExhaustedError(
              absl::StrCat("training anew embeds all rows in one commit, and there are more than a commit takes (",
                           Limits::kMaxCommitRows, " rows, ", Limits::kMaxCommitBytes, " bytes)"));
        }
        PointInput point;
        point.id = std::move(row.id);
        for (size_t i = 0; i < row.vectors.size() && i < schema.dense.size(); ++i) {
          if (schema.dense[i].name == embedded_field || schema.dense[i].dropped || row.vectors[i].empty()) continue;
          point.vectors.emplace_back(schema.dense[i].name, std::move(row.vectors[i]));
        }
        for (size_t i = 0; i < row.sparse.size() && i < schema.sparse.size(); ++i) {
          if (row.sparse[i].empty() || schema.sparse[i].dropped) continue;
          bytes += row.sparse[i].indices.size() * 8;
          point.sparse_vectors.emplace_back(schema.sparse[i].name, std::move(row.sparse[i]));
        }
        for (size_t i = 0; i < row.multi_vectors.size() && i < schema.multi_vector.size(); ++i) {
          if (row.multi_vectors[i].empty() || schema.multi_vector[i].dropped) continue;
          bytes += row.multi_vectors[i].values.size() * sizeof(float);
          point.multi_vectors.emplace_back(schema.multi_vector[i].name, std::move(row.multi_vectors[i]));
        }
        live.texts.push_back(EmbeddedTextOf(row.payload));
        point.payload = std::move(row.payload);
        point.access = std::move(row.access);
        live.points.push_back(std::move(point));
        live.provenance.push_back(*std::move(provenance));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return live;
}

}  // namespace

absl::StatusOr<ReembedResult> Reembed(Collection& collection, ModelKeeper& model, const Principal& principal,
                                      const CancelToken& cancel, const std::function<void(double)>& progress) {
  absl::Status aborted;
  for (int attempt = 0; attempt < kReembedAttempts; ++attempt) {
    absl::StatusOr<CollectionState> state = collection.store().GetState(collection.id());
    if (!state.ok()) return state.status();
    absl::StatusOr<LiveChunks> live = ReadLiveChunks(collection, *state, model.field_name(), cancel);
    if (!live.ok()) return live.status();
    if (live->points.empty()) return ReembedResult{};
    absl::StatusOr<ModelKeeper::Choice> old = model.Choose(state->latest);
    if (!old.ok()) return old.status();
    if (absl::Status status = model.Train(live->texts, cancel, progress); !status.ok()) return status;
    const std::shared_ptr<const Embedder>& fresh = model.fresh();
    if (fresh == nullptr || (old->embedder != nullptr && !old->uncommitted && old->embedder->id() == fresh->id())) {
      return ReembedResult{};
    }
    auto vectors = fresh->Embed(live->texts, cancel);
    if (!vectors.ok()) return vectors.status();
    WriteRequest write;
    write.principal = principal;
    write.expected_version = state->latest;
    for (size_t i = 0; i < live->points.size(); ++i) {
      PointInput& point = live->points[i];
      if (!(*vectors)[i].empty()) point.vectors.emplace_back(model.field_name(), std::move((*vectors)[i]));
      live->provenance[i].embedder = fresh->id();
      point.provenance = EncodeProvenance(live->provenance[i]);
    }
    write.upserts = std::move(live->points);
    if (absl::Status status = model.AddModel(state->latest, &write); !status.ok()) return status;
    const uint64_t rows = write.upserts.size();
    absl::StatusOr<WriteResult> result = collection.Write(std::move(write));
    if (result.ok()) return ReembedResult{.committed = true, .rows = rows};
    if (!absl::IsAborted(result.status())) return result.status();
    aborted = result.status();
  }
  return aborted;
}

}  // namespace vouch
