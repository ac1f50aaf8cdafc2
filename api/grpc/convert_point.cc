#include <algorithm>
#include <map>
#include <span>
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

absl::StatusOr<MultiVector> MultiVectorOf(
    const google::protobuf::RepeatedPtrField<v1::Vector>& tokens) {
  MultiVector vector;
  if (tokens.empty()) return vector;
  const int dim = tokens[0].values_size();
  if (dim == 0) return absl::InvalidArgumentError("token 0 has no values");
  vector.dim = static_cast<uint32_t>(dim);
  vector.values.reserve(static_cast<size_t>(dim) * static_cast<size_t>(tokens.size()));
  for (int i = 0; i < tokens.size(); ++i) {
    if (tokens[i].values_size() != dim) {
      return absl::InvalidArgumentError(absl::StrCat("token ", i, " has ", tokens[i].values_size(),
                                                     " values, token 0 has ", dim));
    }
    vector.values.insert(vector.values.end(), tokens[i].values().begin(), tokens[i].values().end());
  }
  return vector;
}

absl::StatusOr<std::vector<std::pair<std::string, MultiVector>>> MultiVectorsOf(
    const google::protobuf::Map<std::string, v1::MultiVector>& messages, const std::string& what) {
  // Maps of messages have no order of their own.
  std::map<std::string, const v1::MultiVector*> sorted;
  for (const auto& [name, vector] : messages) sorted.emplace(name, &vector);
  std::vector<std::pair<std::string, MultiVector>> vectors;
  for (const auto& [name, vector] : sorted) {
    absl::StatusOr<MultiVector> tokens = MultiVectorOf(vector->tokens());
    if (!tokens.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": field '", name, "': ", tokens.status().message()));
    }
    vectors.emplace_back(name, *std::move(tokens));
  }
  return vectors;
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
  auto multi_vectors =
      MultiVectorsOf(message.multi_vectors(), absl::StrCat(what, " (", point.id.ToString(), ")"));
  if (!multi_vectors.ok()) return multi_vectors.status();
  point.multi_vectors = *std::move(multi_vectors);
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
  for (const auto& [name, vector] : hit.multi_vectors) {
    v1::MultiVector& multi = (*message->mutable_multi_vectors())[name];
    for (size_t i = 0; i < vector.tokens(); ++i) {
      const std::span<const float> token = vector.token(i);
      multi.add_tokens()->mutable_values()->Assign(token.begin(), token.end());
    }
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
