#include "rag/ingest/document_entry.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace vouch {
namespace {

using Json = nlohmann::json;

absl::Status Damaged(std::string_view key) {
  return absl::DataLossError(absl::StrCat("a document's entry is damaged at \"", std::string(key), "\""));
}

}  // namespace

std::string DocumentEntry::Encode() const {
  Json json{{"hash", hash},
              {"metadata_hash", metadata_hash},
              {"media_type", MediaTypeName(media_type)},
              {"uri", uri},
              {"external_id", external_id},
              {"parser", parser},
              {"chunker", chunker},
              {"embedder", embedder},
              {"chunks", chunks}};
  if (!rendition_hash.empty()) json["rendition_hash"] = rendition_hash;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<DocumentEntry> DocumentEntry::Decode(std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return Damaged("");
  DocumentEntry entry;
  std::string media_type;
  const std::pair<const char*, std::string*> texts[] = {
      {"hash", &entry.hash},         {"metadata_hash", &entry.metadata_hash}, {"media_type", &media_type},
      {"uri", &entry.uri},           {"external_id", &entry.external_id},     {"parser", &entry.parser},
      {"chunker", &entry.chunker},   {"embedder", &entry.embedder}};
  for (const auto& [key, text] : texts) {
    const auto value = parsed.find(key);
    if (value == parsed.end() || !value->is_string()) return Damaged(key);
    *text = value->get<std::string>();
  }
  const auto chunks = parsed.find("chunks");
  if (chunks == parsed.end() || !chunks->is_number_unsigned() || chunks->get<uint64_t>() > UINT32_MAX) {
    return Damaged("chunks");
  }
  entry.chunks = chunks->get<uint32_t>();
  if (!FindMediaType(media_type, &entry.media_type)) return Damaged("media_type");
  if (const auto hash = parsed.find("rendition_hash"); hash != parsed.end()) {
    if (!hash->is_string()) return Damaged("rendition_hash");
    entry.rendition_hash = hash->get<std::string>();
  }
  return entry;
}

std::string DocumentKey(std::string_view document_id) {
  return std::string(kDocumentKeyPrefix).append(document_id);
}

bool InScope(std::string_view document_id, std::string_view scope) {
  if (!document_id.starts_with(scope)) return false;
  return document_id.size() == scope.size() || document_id[scope.size()] == '/' || document_id[scope.size()] == '#';
}

}  // namespace vouch
