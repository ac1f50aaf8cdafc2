#include "rag/llm/refused_limits.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rag/llm/spend_book.h"
#include "storage/concat.h"

namespace vouch {
namespace {

std::string RefusedKey(std::string_view day) { return Concat("spend-refused/", day); }

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadRefusedLimits(const Catalog& catalog,
                                                           std::string_view tenant,
                                                           std::string_view day) {
  std::vector<std::string> limits;
  const auto kept = catalog.GetTenantSetting(tenant, RefusedKey(day));
  if (!kept.ok()) return kept.status();
  if (!kept->has_value()) return limits;
  const auto json = nlohmann::json::parse(**kept, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", 0) != 1 || !json.contains("limits") ||
      !json["limits"].is_array())
    return absl::DataLossError(Concat("the limits that refused on ", day, " are damaged"));
  for (const auto& item : json["limits"]) {
    if (!item.is_string())
      return absl::DataLossError(Concat("the limits that refused on ", day, " are damaged"));
    limits.push_back(item.get<std::string>());
  }
  return limits;
}

absl::Status NoteRefusedLimit(Catalog& catalog, std::string_view tenant, std::string_view day,
                              std::string_view pipeline) {
  absl::StatusOr<std::vector<std::string>> limits = ReadRefusedLimits(catalog, tenant, day);
  if (!limits.ok()) return limits.status();
  if (std::find(limits->begin(), limits->end(), pipeline) != limits->end() ||
      limits->size() >= SpendBook::kMaxAccounts)
    return absl::OkStatus();
  limits->emplace_back(pipeline);
  const nlohmann::ordered_json json = {{"format", 1}, {"limits", *limits}};
  return catalog.PutTenantSetting(
      tenant, RefusedKey(day), json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace vouch
