#include "index/prepared_rows.h"

#include <cmath>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "index/payload/payload_path.h"
#include "nlohmann/json.hpp"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

using nlohmann::json;

// Calls visit(path, element, text) for each text at the field's paths.
template <typename Visit>
void ForEachText(const json& payload, const TextField& field, Visit visit) {
  for (const std::string& path : field.paths) {
    uint32_t element = 0;
    for (const json* value : ValuesAt(payload, path)) {
      if (value->is_string()) visit(path, element++, value->get_ref<const std::string&>());
    }
  }
}

// The texts of a field, each on its own line.
std::string TextOf(const json& payload, const TextField& field) {
  std::string text;
  ForEachText(payload, field, [&](const std::string&, uint32_t, const std::string& part) {
    if (!text.empty()) text += '\n';
    text += part;
  });
  return text;
}

absl::Status CheckVectors(const CollectionSchema& schema, const RowInput& row) {
  if (row.vectors.size() > schema.dense.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(row.vectors.size(), " vectors where the schema has ", schema.dense.size(), " dense fields"));
  }
  for (size_t field = 0; field < row.vectors.size(); ++field) {
    const std::vector<float>& vector = row.vectors[field];
    if (vector.empty()) continue;
    if (vector.size() != schema.dense[field].dim) {
      return absl::InvalidArgumentError(absl::StrCat("field '", schema.dense[field].name, "' has dimension ",
                                                     schema.dense[field].dim, "; the vector has ", vector.size(),
                                                     " values"));
    }
    const VectorType type = schema.dense[field].type;
    if (IsRounded(type, vector)) continue;
    for (size_t i = 0; i < vector.size(); ++i) {
      if (IsRounded(type, std::span(&vector[i], 1))) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "field '", schema.dense[field].name, "': value ", i,
          std::isfinite(vector[i]) ? absl::StrCat(" is not one of ", std::string(VectorTypeName(type)))
                                   : " is not finite"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSparse(const CollectionSchema& schema, const RowInput& row) {
  if (row.sparse.size() > schema.sparse.size()) {
    return absl::InvalidArgumentError(absl::StrCat(row.sparse.size(),
                                                   " sparse vectors where the schema has ",
                                                   schema.sparse.size(), " sparse fields"));
  }
  for (size_t field = 0; field < row.sparse.size(); ++field) {
    if (IsCanonicalSparseVector(row.sparse[field], Limits::kMaxSparseEntries)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "field '", schema.sparse[field].name, "': the sparse vector is not in canonical form"));
  }
  return absl::OkStatus();
}

absl::Status CheckMultiVectors(const CollectionSchema& schema, const RowInput& row) {
  if (row.multi_vectors.size() > schema.multi_vector.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(row.multi_vectors.size(), " multi-vectors where the schema has ", schema.multi_vector.size(),
                     " multi-vector fields"));
  }
  for (size_t field = 0; field < row.multi_vectors.size(); ++field) {
    const absl::Status status = CheckKeptMultiVector(schema.multi_vector[field], row.multi_vectors[field]);
    if (status.ok()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("field '", schema.multi_vector[field].name, "': ", status.message()));
  }
  return absl::OkStatus();
}

absl::Status PrepareRow(const IndexSchema& schema, const RowInput& row, IndexedRows& out) {
  if (absl::Status status = CheckVectors(schema.schema, row); !status.ok()) return status;
  if (absl::Status status = CheckSparse(schema.schema, row); !status.ok()) return status;
  if (absl::Status status = CheckMultiVectors(schema.schema, row); !status.ok()) return status;
  absl::StatusOr<TypedPayload> payload = ParseTypedPayload(schema.schema, row.payload);
  if (!payload.ok()) return payload.status();
  std::vector<AnalyzedText> texts;
  if (!schema.schema.text.empty() && !row.payload.empty()) {
    const json document = json::parse(row.payload, nullptr, /*allow_exceptions=*/false);
    if (document.is_discarded()) return absl::InvalidArgumentError("the payload is not JSON");
    for (size_t field = 0; field < schema.schema.text.size(); ++field) {
      texts.push_back(schema.analyzers[field]->Analyze(TextOf(document, schema.schema.text[field])));
    }
  }
  texts.resize(schema.schema.text.size());
  out.payloads.push_back(*std::move(payload));
  for (size_t field = 0; field < texts.size(); ++field) out.texts[field].push_back(std::move(texts[field]));
  return absl::OkStatus();
}

std::shared_ptr<IndexedRows> NewRows(const IndexSchema& schema, size_t rows) {
  auto prepared = std::make_shared<IndexedRows>();
  prepared->payloads.reserve(rows);
  prepared->texts.resize(schema.schema.text.size());
  for (std::vector<AnalyzedText>& texts : prepared->texts) texts.reserve(rows);
  return prepared;
}

}  // namespace

std::string IndexedText(const TextField& field, std::string_view payload) {
  return TextOf(json::parse(payload, nullptr, /*allow_exceptions=*/false), field);
}

std::vector<FieldText> TextsOfField(const TextField& field, std::string_view payload) {
  std::vector<FieldText> texts;
  ForEachText(json::parse(payload, nullptr, /*allow_exceptions=*/false), field,
              [&](const std::string& path, uint32_t element, const std::string& text) {
                texts.push_back({.path = path, .element = element, .text = text});
              });
  return texts;
}

absl::StatusOr<std::shared_ptr<const IndexedRows>> IndexedRows::Prepare(const IndexSchema& schema,
                                                                        std::span<const RowInput> rows) {
  std::shared_ptr<IndexedRows> prepared = NewRows(schema, rows.size());
  for (const RowInput& row : rows) {
    if (absl::Status status = PrepareRow(schema, row, *prepared); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("point ", row.id.ToString(), ": ", status.message()));
    }
  }
  return prepared;
}

std::shared_ptr<const IndexedRows> IndexedRows::PrepareStored(const IndexSchema& schema,
                                                              std::span<const RowInput> rows, uint64_t& refused) {
  std::shared_ptr<IndexedRows> prepared = NewRows(schema, rows.size());
  for (const RowInput& row : rows) {
    if (PrepareRow(schema, row, *prepared).ok()) continue;
    ++refused;
    prepared->payloads.emplace_back().fields.resize(schema.schema.payload.size());
    for (std::vector<AnalyzedText>& texts : prepared->texts) texts.emplace_back();
  }
  return prepared;
}

}  // namespace vouch
