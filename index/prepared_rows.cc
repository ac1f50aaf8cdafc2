#include "index/prepared_rows.h"

#include <cmath>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

using nlohmann::json;

// Appends the strings at `path` of a payload, or in an array there, each on its own line.
void AppendStrings(const json& value, std::string& text) {
  if (value.is_string()) {
    if (!text.empty()) text += '\n';
    text += value.get_ref<const std::string&>();
  } else if (value.is_array()) {
    for (const json& element : value) {
      if (element.is_string()) AppendStrings(element, text);
    }
  }
}

// As payload fields are found: a key equal to the whole path first, else a step into the object at its first part.
const json* Resolve(const json& payload, std::string_view path) {
  const json* at = &payload;
  while (at->is_object()) {
    if (const auto whole = at->find(std::string(path)); whole != at->end()) return &*whole;
    const size_t dot = path.find('.');
    if (dot == std::string_view::npos) return nullptr;
    const auto step = at->find(std::string(path.substr(0, dot)));
    if (step == at->end()) return nullptr;
    at = &*step;
    path.remove_prefix(dot + 1);
  }
  return nullptr;
}

std::string TextOf(const json& payload, const TextField& field) {
  std::string text;
  for (const std::string& path : field.paths) {
    if (const json* value = Resolve(payload, path)) AppendStrings(*value, text);
  }
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
    for (size_t i = 0; i < vector.size(); ++i) {
      if (!std::isfinite(vector[i])) {
        return absl::InvalidArgumentError(
            absl::StrCat("field '", schema.dense[field].name, "': value ", i, " is not finite"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status PrepareRow(const IndexSchema& schema, const RowInput& row, IndexedRows& out) {
  if (absl::Status status = CheckVectors(schema.schema, row); !status.ok()) return status;
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
