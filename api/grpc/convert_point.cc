#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"

namespace vouch {

absl::StatusOr<PointId> PointIdOf(const v1::PointId& message) {
  switch (message.id_case()) {
    case v1::PointId::kNumber:
      return PointId(message.number());
    case v1::PointId::kText:
      return PointId::FromString(message.text());
    case v1::PointId::ID_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a point id is not set; give `number` or `text`");
}

void FillPointId(const PointId& id, v1::PointId* message) {
  if (id.is_number()) {
    message->set_number(id.number());
  } else {
    message->set_text(id.ToString());
  }
}

SparseVector SparseVectorOf(const v1::SparseVector& message) {
  SparseVector vector;
  vector.indices.assign(message.indices().begin(), message.indices().end());
  vector.values.assign(message.values().begin(), message.values().end());
  return vector;
}

absl::StatusOr<PointInput> PointInputOf(v1::Point&& message, const std::string& what,
                                        bool keep_provenance) {
  absl::StatusOr<PointId> id = PointIdOf(message.id());
  if (!id.ok())
    return absl::Status(id.status().code(), absl::StrCat(what, ": ", id.status().message()));
  if (!message.provenance_json().empty() && !keep_provenance) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " (", id->ToString(),
                     "): provenance_json is written by the server and cannot be set"));
  }
  PointInput point;
  point.id = *std::move(id);
  for (auto& [name, vector] : *message.mutable_vectors()) {
    point.vectors.emplace_back(name,
                               std::vector<float>(vector.values().begin(), vector.values().end()));
  }
  for (const auto& [name, vector] : message.sparse_vectors()) {
    point.sparse_vectors.emplace_back(name, SparseVectorOf(vector));
  }
  // Maps of messages have no order of their own; errors should name the same field each time.
  const auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  std::sort(point.vectors.begin(), point.vectors.end(), by_name);
  std::sort(point.sparse_vectors.begin(), point.sparse_vectors.end(), by_name);
  if (!message.payload_json().empty()) point.payload = std::move(*message.mutable_payload_json());
  if (keep_provenance) point.provenance = std::move(*message.mutable_provenance_json());
  point.access.assign(message.access().begin(), message.access().end());
  return point;
}

void FillPoint(PointHit&& hit, v1::Point* message) {
  FillPointId(hit.id, message->mutable_id());
  message->set_payload_json(std::move(hit.payload));
  message->set_provenance_json(std::move(hit.provenance));
  message->set_written_version(hit.written_version.value);
  message->mutable_access()->Assign(hit.access.begin(), hit.access.end());
  for (const auto& [name, vector] : hit.vectors) {
    (*message->mutable_vectors())[name].mutable_values()->Assign(vector.begin(), vector.end());
  }
  for (const auto& [name, vector] : hit.sparse_vectors) {
    v1::SparseVector& sparse = (*message->mutable_sparse_vectors())[name];
    sparse.mutable_indices()->Assign(vector.indices.begin(), vector.indices.end());
    sparse.mutable_values()->Assign(vector.values.begin(), vector.values.end());
  }
}

Projection ProjectionOf(const v1::Projection& message) {
  Projection projection;
  projection.payload = !message.no_payload();
  projection.payload_keys.assign(message.payload_keys().begin(), message.payload_keys().end());
  projection.vectors = message.vectors();
  projection.provenance = message.provenance();
  projection.written_version = message.written_version();
  projection.access = message.access();
  return projection;
}

}  // namespace vouch
