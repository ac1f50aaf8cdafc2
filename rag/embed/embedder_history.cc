#include "rag/embed/embedder_history.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

absl::Status DamagedHistory(std::string_view what) {
  return absl::DataLossError(Concat("the embedder history is damaged: ", what));
}

bool TakeText(const Json& object, const char* key, std::string* text) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return false;
  *text = found->get_ref<const std::string&>();
  return !text->empty();
}

}  // namespace

std::string EmbedderHistoryKey(std::string_view dense_field) {
  return Concat("embedder/", dense_field);
}

std::string EncodeEmbedderHistory(std::span<const EmbedderHistoryEntry> entries) {
  Json list = Json::array();
  for (const EmbedderHistoryEntry& entry : entries) {
    list.push_back({{"from_version", entry.from_version.value},
                    {"id", entry.id},
                    {"artifact", entry.artifact}});
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::vector<EmbedderHistoryEntry>> DecodeEmbedderHistory(std::string_view json) {
  const Json list = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) return DamagedHistory("it is not a JSON array");
  std::vector<EmbedderHistoryEntry> entries;
  entries.reserve(list.size());
  for (const Json& item : list) {
    EmbedderHistoryEntry entry;
    const std::string name = Concat("entry ", entries.size());
    if (!item.is_object()) return DamagedHistory(Concat(name, " is not an object"));
    const auto version = item.find("from_version");
    if (version == item.end() || !version->is_number_unsigned()) {
      return DamagedHistory(Concat(name, " has no from_version"));
    }
    entry.from_version = Version(version->get<uint64_t>());
    if (entry.from_version <= (entries.empty() ? Version() : entries.back().from_version)) {
      return DamagedHistory(Concat(name, " is out of order: version ", entry.from_version.value));
    }
    if (!TakeText(item, "id", &entry.id)) return DamagedHistory(Concat(name, " has no id"));
    if (!TakeText(item, "artifact", &entry.artifact))
      return DamagedHistory(Concat(name, " has no artifact"));
    entries.push_back(std::move(entry));
  }
  return entries;
}

const EmbedderHistoryEntry* FindEmbedderAt(std::span<const EmbedderHistoryEntry> entries,
                                           Version at) {
  const EmbedderHistoryEntry* found = nullptr;
  for (const EmbedderHistoryEntry& entry : entries) {
    if (entry.from_version <= at) found = &entry;
  }
  return found;
}

}  // namespace vouch
