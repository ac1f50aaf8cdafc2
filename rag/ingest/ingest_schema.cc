#include "rag/ingest/ingest_schema.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "rag/embed/embedder_registry.h"

namespace vouch {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxKeywordBytes = 256;
constexpr int kMaxKeyDepth = 8;  // objects and arrays around a value that can be filtered by

// What the values of a key have in common so far.
struct KeyType {
  PayloadType type = PayloadType::kKeyword;
  bool known = false;
  bool mixed = false;
  bool nested = false;  // in an object of the metadata

  void Add(const Json& value) {
    if (value.is_null()) return;
    PayloadType found = PayloadType::kKeyword;
    if (value.is_boolean()) {
      found = PayloadType::kBool;
    } else if (value.is_number_float()) {
      found = PayloadType::kFloat;
    } else if (value.is_number_integer()) {
      mixed = mixed || (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX});
      found = PayloadType::kInteger;
    } else if (!value.is_string() || value.get_ref<const std::string&>().size() > kMaxKeywordBytes) {
      mixed = true;
      return;
    }
    const bool number = found == PayloadType::kInteger || found == PayloadType::kFloat;
    const bool was_number = type == PayloadType::kInteger || type == PayloadType::kFloat;
    if (known && found != type) {
      mixed = mixed || !(number && was_number);
      found = PayloadType::kFloat;
    }
    type = found;
    known = true;
  }
};

// Values under `path`, those of arrays and of objects in them included.
void AddValues(const Json& value, const std::string& path, int depth, bool nested,
               std::map<std::string, KeyType>* keys) {
  if (depth > kMaxKeyDepth) return;
  if (value.is_array()) {
    for (const Json& element : value) AddValues(element, path, depth + 1, nested, keys);
    return;
  }
  KeyType& type = (*keys)[path];
  type.nested = nested;
  type.Add(value);
  if (!value.is_object()) return;
  for (const auto& [key, inner] : value.items()) {
    AddValues(inner, absl::StrCat(path, ".", key), depth + 1, /*nested=*/true, keys);
  }
}

std::map<std::string, KeyType> FindKeyTypes(std::span<const std::string> metadata) {
  std::map<std::string, KeyType> keys;
  for (const std::string& text : metadata) {
    if (text == "{}") continue;
    const Json object = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) continue;
    for (const auto& [key, value] : object.items()) {
      AddValues(value, key, 0, /*nested=*/false, &keys);
    }
  }
  return keys;
}

}  // namespace

absl::StatusOr<IngestFields> FindIngestFields(const CollectionSchema& schema, std::string_view collection) {
  IngestFields fields;
  for (size_t i = 0; i < schema.dense.size() && fields.dense < 0; ++i) {
    if (!schema.dense[i].embedder.empty()) fields.dense = static_cast<int>(i);
  }
  for (size_t i = 0; i < schema.text.size() && fields.text < 0; ++i) {
    const std::vector<std::string>& paths = schema.text[i].paths;
    if (std::find(paths.begin(), paths.end(), "text") != paths.end()) fields.text = static_cast<int>(i);
  }
  if (fields.dense < 0 && fields.text < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("collection '", std::string(collection),
                     "' cannot take documents: its schema has neither a dense field with an embedder (such as "
                     "\"builtin/lsa\") nor a text field over the payload's \"text\""));
  }
  return fields;
}

absl::StatusOr<CollectionSchema> DefaultIngestSchema(std::string_view embedder, std::span<const std::string> metadata) {
  absl::StatusOr<EmbedderRegistry::SpecInfo> spec = EmbedderRegistry::ParseSpec(embedder);
  if (!spec.ok()) return spec.status();
  CollectionSchema schema;
  schema.dense.push_back({.name = "embedding",
                          .dim = spec->dim,
                          .metric = Metric::kCosine,
                          .index = DenseIndexKind::kHnsw,
                          .hnsw = {},
                          .embedder = std::string(embedder)});
  schema.text.push_back({.name = "text", .paths = {"title", "heading", "text"}, .language = spec->language});
  for (const char* path : {"doc_id", "source", "title", "heading", "media_type"}) {
    schema.payload.push_back({.path = path, .type = PayloadType::kKeyword});
  }
  if (absl::Status status = schema.Validate(); !status.ok()) return status;
  const std::map<std::string, KeyType> keys = FindKeyTypes(metadata);
  if (!keys.contains("language")) schema.payload.push_back({.path = "language", .type = PayloadType::kKeyword});
  if (!keys.contains("page")) schema.payload.push_back({.path = "page", .type = PayloadType::kInteger});
  // Fields are limited: the metadata's own keys come first.
  for (const bool nested : {false, true}) {
    for (const auto& [key, type] : keys) {
      if (type.nested != nested || !type.known || type.mixed) continue;
      if (schema.FindPayload(key) >= 0 || key == "text" || key == "ordinal") continue;
      schema.payload.push_back({.path = key, .type = type.type});
      // A key that cannot be a field's path is kept, as one that is not declared.
      if (!schema.Validate().ok()) schema.payload.pop_back();
    }
  }
  return schema;
}

}  // namespace vouch
