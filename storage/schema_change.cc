#include "storage/schema_change.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "storage/concat.h"

namespace vouch {

namespace {

absl::Status NoField(const CollectionSchema& schema, std::string_view name) {
  std::string known;
  const auto add = [&](std::string_view field) { known += Concat(known.empty() ? "" : ", ", field); };
  for (const DenseField& field : schema.dense) {
    if (!field.dropped) add(field.name);
  }
  for (const TextField& field : schema.text) add(field.name);
  for (const SparseField& field : schema.sparse) {
    if (!field.dropped) add(field.name);
  }
  for (const MultiVectorField& field : schema.multi_vector) {
    if (!field.dropped) add(field.name);
  }
  return absl::NotFoundError(Concat("no field is named \"", Escape(name), "\"; there are ", known.empty() ? "none" : known));
}

absl::Status NoPayload(const CollectionSchema& schema, std::string_view path) {
  std::string known;
  for (const PayloadField& field : schema.payload) known += Concat(known.empty() ? "" : ", ", field.path);
  return absl::NotFoundError(
      Concat("no payload field has the path \"", Escape(path), "\"; there are ", known.empty() ? "none" : known));
}

absl::Status DropField(const std::string& name, CollectionSchema& schema) {
  if (const int at = schema.FindDense(name); at >= 0) {
    // Its place stays, as what its vectors are kept as.
    DenseField& field = schema.dense[static_cast<size_t>(at)];
    const DenseField place{.dim = field.dim, .metric = field.metric, .type = field.type, .index = DenseIndexKind::kFlat,
                           .dropped = true};
    field = place;
  } else if (const int text = schema.FindText(name); text >= 0) {
    schema.text.erase(schema.text.begin() + text);
  } else if (const int sparse = schema.FindSparse(name); sparse >= 0) {
    schema.sparse[static_cast<size_t>(sparse)] = {.name = {}, .dropped = true};
  } else if (const int multi = schema.FindMultiVector(name); multi >= 0) {
    MultiVectorField& field = schema.multi_vector[static_cast<size_t>(multi)];
    field.name.clear();
    field.dropped = true;
  } else {
    return NoField(schema, name);
  }
  return absl::OkStatus();
}

absl::Status ChangeDense(const DenseFieldChange& change, CollectionSchema& schema) {
  const int at = schema.FindDense(change.name);
  if (at < 0) return NoField(schema, change.name);
  DenseField& field = schema.dense[static_cast<size_t>(at)];
  field.index = change.index.value_or(field.index);
  field.recall_target = change.recall_target.value_or(field.recall_target);
  field.hnsw.m = change.m.value_or(field.hnsw.m);
  field.hnsw.ef_construction = change.ef_construction.value_or(field.hnsw.ef_construction);
  field.hnsw.ef_search = change.ef_search.value_or(field.hnsw.ef_search);
  return absl::OkStatus();
}

absl::Status ChangeText(const TextFieldChange& change, CollectionSchema& schema) {
  const int at = schema.FindText(change.name);
  if (at < 0) return NoField(schema, change.name);
  TextField& field = schema.text[static_cast<size_t>(at)];
  field.k1 = change.k1.value_or(field.k1);
  field.b = change.b.value_or(field.b);
  return absl::OkStatus();
}

absl::Status CheckNew(const CollectionSchema& schema, const std::string& name) {
  if (const int at = schema.FindDense(name); at >= 0) {
    const DenseField& field = schema.dense[static_cast<size_t>(at)];
    return absl::AlreadyExistsError(
        Concat("there is a dense field \"", name, "\" of ", field.dim, " dimensions, ", MetricName(field.metric), ", ",
               VectorTypeName(field.type),
               ". Its vectors cannot be made others in place: another embedder's fill a second collection (vouch migrate), "
               "others are written to a field of another name, and an empty field of this name is had by dropping it in the "
               "same change. Index, recall target and graph can be changed"));
  }
  if (schema.FindText(name) >= 0) {
    return absl::AlreadyExistsError(Concat("there is a text field \"", name,
                                           "\"; to have it over other paths or in another language, drop it in the same "
                                           "change. k1 and b can be changed"));
  }
  if (schema.FindSparse(name) >= 0) return absl::AlreadyExistsError(Concat("there is a sparse field \"", name, "\""));
  if (schema.FindMultiVector(name) >= 0) {
    return absl::AlreadyExistsError(Concat("there is a multi-vector field \"", name,
                                           "\"; an empty one of this name is had by dropping it in the same change"));
  }
  return absl::OkStatus();
}

// The store has room for so many fields of a kind, ever.
absl::Status CheckRoom(std::string_view kind, size_t fields) {
  if (fields < Limits::kMaxFields) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("the collection has had ", fields, " ", kind,
                                           " fields, dropped ones counted, which is the limit; copy it to a new one"));
}

absl::Status AddFields(const SchemaChange& change, CollectionSchema& schema) {
  for (const DenseField& field : change.add_dense) {
    if (auto s = CheckNew(schema, field.name); !s.ok()) return s;
    if (auto s = CheckRoom("dense", schema.dense.size()); !s.ok()) return s;
    schema.dense.push_back(field);
  }
  for (const TextField& field : change.add_text) {
    if (auto s = CheckNew(schema, field.name); !s.ok()) return s;
    schema.text.push_back(field);
  }
  for (const SparseField& field : change.add_sparse) {
    if (auto s = CheckNew(schema, field.name); !s.ok()) return s;
    if (auto s = CheckRoom("sparse", schema.sparse.size()); !s.ok()) return s;
    schema.sparse.push_back(field);
  }
  for (const MultiVectorField& field : change.add_multi_vector) {
    if (auto s = CheckNew(schema, field.name); !s.ok()) return s;
    if (auto s = CheckRoom("multi-vector", schema.multi_vector.size()); !s.ok()) return s;
    schema.multi_vector.push_back(field);
  }
  for (const PayloadField& field : change.add_payload) {
    if (const int at = schema.FindPayload(field.path); at >= 0) {
      return absl::AlreadyExistsError(
          Concat("the path \"", field.path, "\" is a payload field of the type ",
                 PayloadTypeName(schema.payload[static_cast<size_t>(at)].type),
                 "; to have it of another one, drop it in the same change"));
    }
    schema.payload.push_back(field);
  }
  return absl::OkStatus();
}

}  // namespace

bool SchemaChange::empty() const {
  return drop.empty() && drop_payload.empty() && change_dense.empty() && change_text.empty() && add_dense.empty() &&
         add_text.empty() && add_sparse.empty() && add_multi_vector.empty() && add_payload.empty() && !retention.has_value() && !ttl.has_value();
}

absl::StatusOr<CollectionSchema> ApplySchemaChange(const CollectionSchema& schema, const SchemaChange& change) {
  CollectionSchema changed = schema;
  for (const std::string& name : change.drop) {
    if (auto s = DropField(name, changed); !s.ok()) return s;
  }
  for (const std::string& path : change.drop_payload) {
    const int at = changed.FindPayload(path);
    if (at < 0) return NoPayload(changed, path);
    changed.payload.erase(changed.payload.begin() + at);
  }
  for (const DenseFieldChange& one : change.change_dense) {
    if (auto s = ChangeDense(one, changed); !s.ok()) return s;
  }
  for (const TextFieldChange& one : change.change_text) {
    if (auto s = ChangeText(one, changed); !s.ok()) return s;
  }
  if (auto s = AddFields(change, changed); !s.ok()) return s;
  if (change.retention.has_value()) changed.retention = *change.retention;
  if (change.ttl.has_value()) changed.ttl = *change.ttl;
  if (auto s = changed.Validate(); !s.ok()) return s;
  const auto dropped = [](const auto& field) { return field.dropped; };
  if (std::all_of(changed.dense.begin(), changed.dense.end(), dropped) && changed.text.empty() &&
      std::all_of(changed.sparse.begin(), changed.sparse.end(), dropped) &&
      std::all_of(changed.multi_vector.begin(), changed.multi_vector.end(), dropped) && !change.drop.empty()) {
    return absl::FailedPreconditionError("no field that can be searched would be left");
  }
  return changed;
}

}  // namespace vouch
