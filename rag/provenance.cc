#include "rag/provenance.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Missing(std::string_view key) {
  return absl::InvalidArgumentError(
      Concat("the row's provenance has no valid \"", key, "\": it is not an ingested chunk"));
}

bool TakeParent(const Json& json, std::optional<std::pair<uint32_t, uint32_t>>* parent) {
  if (!json.is_array() || json.size() != 2 || !json[0].is_number_unsigned() || !json[1].is_number_unsigned()) return false;
  const auto first = json[0].get<uint64_t>();
  const auto last = json[1].get<uint64_t>();
  if (first > last || last > UINT32_MAX) return false;
  *parent = {static_cast<uint32_t>(first), static_cast<uint32_t>(last)};
  return true;
}

}  // namespace

std::string EncodeProvenance(const Provenance& provenance) {
  Json json = {{"document", provenance.document},
               {"uri", provenance.uri},
               {"source_hash", provenance.source_hash},
               {"source", {provenance.source.begin, provenance.source.end}},
               {"spans", provenance.spans.Encode()},
               {"parser", provenance.parser},
               {"chunker", provenance.chunker},
               {"embedder", provenance.embedder}};
  if (provenance.blocks) json["blocks"] = EncodeBlocks(*provenance.blocks);
  if (!provenance.rendition_hash.empty()) json["rendition_hash"] = provenance.rendition_hash;
  if (!provenance.places.empty()) json["places"] = EncodePlaces(provenance.places);
  if (provenance.parent) json["parent"] = {provenance.parent->first, provenance.parent->second};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Provenance> DecodeProvenance(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return absl::InvalidArgumentError("the row has no provenance: it is not an ingested chunk");
  }
  Provenance provenance;
  std::string spans;
  const std::pair<const char*, std::string*> texts[] = {
      {"document", &provenance.document},       {"uri", &provenance.uri},
      {"source_hash", &provenance.source_hash}, {"spans", &spans},
      {"parser", &provenance.parser},           {"chunker", &provenance.chunker},
      {"embedder", &provenance.embedder}};
  for (const auto& [key, value] : texts) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string()) return Missing(key);
    *value = found->get_ref<const std::string&>();
  }
  const auto source = json.find("source");
  if (source == json.end() || !source->is_array() || source->size() != 2 ||
      !(*source)[0].is_number_unsigned() || !(*source)[1].is_number_unsigned()) {
    return Missing("source");
  }
  provenance.source = {(*source)[0].get<uint64_t>(), (*source)[1].get<uint64_t>()};
  if (provenance.source.begin > provenance.source.end) return Missing("source");
  if (!SpanMap::Decode(spans, &provenance.spans)) return Missing("spans");
  if (const auto blocks = json.find("blocks"); blocks != json.end()) {
    if (!blocks->is_string() ||
        !DecodeBlocks(blocks->get_ref<const std::string&>(), &provenance.blocks.emplace())) {
      return Missing("blocks");
    }
  }
  if (const auto hash = json.find("rendition_hash"); hash != json.end()) {
    if (!hash->is_string()) return Missing("rendition_hash");
    provenance.rendition_hash = hash->get_ref<const std::string&>();
  }
  if (const auto places = json.find("places"); places != json.end()) {
    if (!places->is_string() || !DecodePlaces(places->get_ref<const std::string&>(), &provenance.places)) {
      return Missing("places");
    }
  }
  if (const auto parent = json.find("parent"); parent != json.end()) {
    if (!TakeParent(*parent, &provenance.parent)) return Missing("parent");
  }
  return provenance;
}

}  // namespace vouch
