#include "rag/ingest/chunk_point.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "storage/store.h"

namespace vouch {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kOwnKeys[] = {"doc_id",     "source",  "title", "heading",
                                         "media_type", "ordinal", "text",  "metadata"};

bool IsOwnKey(std::string_view key) {
  for (const std::string_view own : kOwnKeys) {
    if (key == own) return true;
  }
  return false;
}

}  // namespace

std::string TitleOf(const Document& document, const ParsedDocument& parsed) {
  if (!parsed.title.empty() || document.media_type == MediaType::kJsonLines) return parsed.title;
  return document.uri.substr(document.uri.rfind('/') + 1);
}

absl::StatusOr<std::string> ChunkPayload(const Document& document, const std::string& title, std::string_view language,
                                         const Chunk& chunk) {
  Json payload = Json::object();
  if (document.metadata != "{}") {
    const Json metadata = Json::parse(document.metadata, nullptr, /*allow_exceptions=*/false);
    if (!metadata.is_object()) return absl::InvalidArgumentError("the metadata is not a JSON object");
    for (const auto& [key, value] : metadata.items()) {
      if (value.is_null()) continue;
      (IsOwnKey(key) ? payload["metadata"] : payload)[key] = value;
    }
  }
  if (const uint32_t page = PageAt(chunk.places, 0); page > 0) payload.emplace("page", page);
  if (!language.empty()) payload.emplace("language", language);
  payload["doc_id"] = document.external_id;
  payload["source"] = document.uri;
  payload["title"] = title;
  payload["heading"] = chunk.heading;
  payload["media_type"] = MediaTypeName(document.media_type);
  payload["ordinal"] = chunk.ordinal;
  payload["text"] = chunk.text;
  return payload.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string TextToEmbed(std::string_view title, std::string_view heading, std::string_view text, bool record) {
  std::string embedded(title);
  if (!record && heading != title) embedded.append("\n").append(heading);
  return embedded.append(record ? " " : "\n").append(text);
}

std::string EmbeddedTextOf(std::string_view payload) {
  const Json parsed = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  const auto text = [&](const char* key) -> std::string {
    if (!parsed.is_object()) return "";
    const auto value = parsed.find(key);
    return value != parsed.end() && value->is_string() ? value->get<std::string>() : "";
  };
  return TextToEmbed(text("title"), text("heading"), text("text"),
                      text("media_type") == MediaTypeName(MediaType::kJsonLines));
}

}  // namespace vouch
