#include "rag/llm/route_override.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kOverrideFormat = 1;

std::string DumpOverride(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ToJson(const PriceTable& prices) {
  Json models = Json::array();
  for (const auto& [model, price] : prices.models) {
    models.push_back({{"model", model},
                      {"input_nano", price.input_nano},
                      {"output_nano", price.output_nano}});
  }
  return {{"version", prices.version}, {"currency", prices.currency}, {"models", std::move(models)}};
}

Json ToJson(const EscalationRules& rules) {
  return {{"below_grounding", rules.below_grounding},
          {"on_refusal", rules.on_refusal},
          {"most", rules.most},
          {"explore", rules.explore}};
}

Json ToJson(const HedgeRules& rules) {
  return {{"quantile", rules.quantile},
          {"share", rules.share},
          {"min_delay_ms", rules.min_delay_ms}};
}

template <typename T>
Json OrNull(const std::optional<T>& value) {
  if (!value) return nullptr;
  if constexpr (std::is_arithmetic_v<T>) {
    return *value;
  } else {
    return ToJson(*value);
  }
}

// Takes fields; the first that is missing or of another kind is kept as the error.
class Reader {
 public:
  template <typename T>
  void Take(const Json& json, const char* key, T* value) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    if (!json.is_object() || found == json.end() || !IsKind<T>(*found)) return Fail(key);
    *value = found->get<T>();
  }
  template <typename T>
  void Take(const Json& json, const char* key, std::optional<T>* value) {
    if (!json.is_object() || json.contains(key) == false) return Fail(key);
    if (!json[key].is_null()) Take(json, key, &value->emplace());
  }
  void Fail(const char* key) {
    if (status.ok()) status = absl::DataLossError(Concat("the route is damaged: ", key));
  }
  // The member where it is no null.
  const Json* Member(const Json& json, const char* key) {
    if (!json.is_object() || !json.contains(key)) {
      Fail(key);
      return nullptr;
    }
    return json[key].is_null() ? nullptr : &json[key];
  }

  absl::Status status = {};

 private:
  template <typename T>
  static bool IsKind(const Json& json) {
    if constexpr (std::is_same_v<T, std::string>) return json.is_string();
    if constexpr (std::is_same_v<T, bool>) return json.is_boolean();
    if constexpr (std::is_same_v<T, double>) return json.is_number();
    if constexpr (std::is_same_v<T, uint32_t>)
      return json.is_number_unsigned() && json.get<uint64_t>() <= UINT32_MAX;
    if constexpr (std::is_same_v<T, int64_t>) return json.is_number_integer();
    return json.is_number_unsigned();
  }
};

void TakePrices(const Json& json, Reader* reader, PriceTable* prices) {
  reader->Take(json, "version", &prices->version);
  reader->Take(json, "currency", &prices->currency);
  const Json* models = reader->Member(json, "models");
  if (models == nullptr || !models->is_array()) return reader->Fail("prices.models");
  for (const Json& item : *models) {
    std::string model;
    reader->Take(item, "model", &model);
    ModelPrice& price = prices->models[model];
    reader->Take(item, "input_nano", &price.input_nano);
    reader->Take(item, "output_nano", &price.output_nano);
  }
}

void TakeRules(const Json& json, Reader* reader, EscalationRules* rules) {
  reader->Take(json, "below_grounding", &rules->below_grounding);
  reader->Take(json, "on_refusal", &rules->on_refusal);
  reader->Take(json, "most", &rules->most);
  reader->Take(json, "explore", &rules->explore);
}

void TakeRules(const Json& json, Reader* reader, HedgeRules* rules) {
  reader->Take(json, "quantile", &rules->quantile);
  reader->Take(json, "share", &rules->share);
  reader->Take(json, "min_delay_ms", &rules->min_delay_ms);
}

}  // namespace

absl::StatusOr<RouteSpec> Overridden(const RouteSpec& base, const RouteOverride& change) {
  RouteSpec spec = base;
  if (!change.tiers.empty()) spec.tiers.clear();
  for (const TierOverride& tier : change.tiers) {
    const auto found = std::find_if(base.tiers.begin(), base.tiers.end(),
                                    [&](const ModelTier& own) { return own.name == tier.name; });
    if (found == base.tiers.end()) {
      std::string names;
      for (const ModelTier& own : base.tiers) names += Concat(names.empty() ? "" : ", ", own.name);
      return absl::InvalidArgumentError(Concat("the server has no tier \"", Escape(tier.name),
                                               "\"; it has ", names));
    }
    ModelTier& added = spec.tiers.emplace_back(*found);
    if (tier.max_tokens != 0) added.parameters.max_tokens = tier.max_tokens;
    if (tier.temperature) added.parameters.temperature = tier.temperature;
  }
  if (change.prices && (base.limits.tenant_day_nano || base.limits.pipeline_day_nano)) {
    return absl::InvalidArgumentError(
        "prices: the server's route limits spending, and its limits hold in its own prices; leave prices out");
  }
  if (change.prices) spec.prices = *change.prices;
  if (change.escalate) spec.escalate = change.escalate;
  if (change.hedge) spec.hedge = change.hedge;
  if (change.retries) spec.retries = *change.retries;
  if (change.max_prompt_tokens) spec.max_prompt_tokens = *change.max_prompt_tokens;
  if (absl::Status status = CheckRoute(&spec); !status.ok()) return status;
  return spec;
}

std::string EncodeRouteOverride(const RouteOverride& change) {
  Json json = {{"format", kOverrideFormat},
               {"tiers", Json::array()},
               {"prices", OrNull(change.prices)},
               {"escalate", OrNull(change.escalate)},
               {"hedge", OrNull(change.hedge)},
               {"retries", OrNull(change.retries)},
               {"max_prompt_tokens", OrNull(change.max_prompt_tokens)}};
  for (const TierOverride& tier : change.tiers) {
    json["tiers"].push_back({{"name", tier.name},
                             {"max_tokens", tier.max_tokens},
                             {"temperature", OrNull(tier.temperature)}});
  }
  return DumpOverride(json);
}

absl::StatusOr<RouteOverride> DecodeRouteOverride(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  Reader reader;
  uint32_t format = 0;
  reader.Take(json, "format", &format);
  if (reader.status.ok() && format > kOverrideFormat) {
    return absl::FailedPreconditionError(
        Concat("the route has format ", format, "; this program reads up to ", kOverrideFormat));
  }
  RouteOverride change;
  const Json* tiers = reader.Member(json, "tiers");
  if (tiers == nullptr || !tiers->is_array()) {
    reader.Fail("tiers");
  } else {
    for (const Json& item : *tiers) {
      TierOverride& tier = change.tiers.emplace_back();
      reader.Take(item, "name", &tier.name);
      reader.Take(item, "max_tokens", &tier.max_tokens);
      reader.Take(item, "temperature", &tier.temperature);
    }
  }
  if (const Json* prices = reader.Member(json, "prices"))
    TakePrices(*prices, &reader, &change.prices.emplace());
  if (const Json* rules = reader.Member(json, "escalate"))
    TakeRules(*rules, &reader, &change.escalate.emplace());
  if (const Json* rules = reader.Member(json, "hedge"))
    TakeRules(*rules, &reader, &change.hedge.emplace());
  reader.Take(json, "retries", &change.retries);
  reader.Take(json, "max_prompt_tokens", &change.max_prompt_tokens);
  if (!reader.status.ok()) return reader.status;
  return change;
}

std::string PriceTableToJson(const PriceTable& prices) { return DumpOverride(ToJson(prices)); }

std::string RouteToJson(const RouteSpec& spec) {
  Json tiers = Json::array();
  for (const ModelTier& tier : spec.tiers) {
    tiers.push_back({{"name", tier.name},
                     {"model", tier.endpoint.model},
                     {"max_tokens", tier.parameters.max_tokens},
                     {"temperature", OrNull(tier.parameters.temperature)}});
  }
  return DumpOverride({{"tiers", std::move(tiers)},
               {"prices", spec.prices.version.empty() ? Json() : ToJson(spec.prices)},
               {"escalate", OrNull(spec.escalate)},
               {"hedge", OrNull(spec.hedge)},
               {"retries", spec.retries},
               {"max_prompt_tokens", spec.max_prompt_tokens}});
}

}  // namespace vouch
