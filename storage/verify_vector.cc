#include "storage/verify_vector.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "storage/concat.h"
#include "storage/row_codec.h"

namespace vouch {

namespace {

template <typename... Pieces>
absl::Status Wrong(const VectorKeyParts& parts, const Pieces&... pieces) {
  return absl::DataLossError(Concat(VectorName(parts.row, parts.field), pieces...));
}

absl::Status VerifyDense(const CollectionSchema& schema, const VectorKeyParts& parts,
                         std::string_view value) {
  std::vector<float> vector;
  VectorType type = VectorType::kF32;
  if (auto s = DecodeVector(parts.row, parts.field, value, type, vector); !s.ok()) return s;
  if (parts.field >= schema.dense.size()) {
    return Wrong(parts, ": the schema has ", schema.dense.size(), " dense fields");
  }
  const DenseField& field = schema.dense[parts.field];
  if (type != field.type) {
    return Wrong(parts, " is ", VectorTypeName(type), "; the field \"", field.name, "\" has ",
                 VectorTypeName(field.type));
  }
  if (vector.size() != field.dim) {
    return Wrong(parts, " has ", vector.size(), " dimensions; the field \"", field.name, "\" has ",
                 field.dim);
  }
  const auto bad =
      std::find_if_not(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); });
  if (bad == vector.end()) return absl::OkStatus();
  return Wrong(parts, " is not finite at ", bad - vector.begin());
}

absl::Status VerifySparse(const CollectionSchema& schema, const VectorKeyParts& parts,
                          std::string_view value) {
  SparseVector vector;
  if (auto s = DecodeSparseVector(parts.row, parts.field, value, vector); !s.ok()) return s;
  if (size_t{parts.field} - kFirstSparseField < schema.sparse.size()) return absl::OkStatus();
  return Wrong(parts, ": the schema has ", schema.sparse.size(), " sparse fields");
}

absl::Status VerifyMultiVector(const CollectionSchema& schema, const VectorKeyParts& parts,
                               std::string_view value) {
  MultiVector vector;
  VectorType type = VectorType::kF32;
  if (auto s = DecodeMultiVector(parts.row, parts.field, value, type, vector); !s.ok()) return s;
  const size_t ordinal = size_t{parts.field} - kFirstMultiVectorField;
  if (ordinal >= schema.multi_vector.size()) {
    return Wrong(parts, ": the schema has ", schema.multi_vector.size(), " multi-vector fields");
  }
  const MultiVectorField& field = schema.multi_vector[ordinal];
  if (type != field.type || vector.dim != field.dim) {
    return Wrong(parts, " has ", vector.dim, " dimensions of ", VectorTypeName(type),
                 "; the field \"", field.name, "\" has ", field.dim, " of ",
                 VectorTypeName(field.type));
  }
  const auto s = CheckKeptMultiVector(field, vector);
  return s.ok() ? s : Wrong(parts, ": ", s.message());
}

}  // namespace

absl::Status VerifyVector(const CollectionSchema& schema, const VectorKeyParts& parts,
                          std::string_view value) {
  if (parts.field >= kFirstMultiVectorField) return VerifyMultiVector(schema, parts, value);
  return parts.field < kFirstSparseField ? VerifyDense(schema, parts, value)
                                         : VerifySparse(schema, parts, value);
}

}  // namespace vouch
