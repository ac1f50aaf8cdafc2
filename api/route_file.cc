#include "api/route_file.h"

#include <yaml-cpp/yaml.h>

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "api/yaml_mapping.h"

namespace vouch {
namespace {

absl::StatusOr<ModelTier> TierOf(const YAML::Node& node, const std::string& file, size_t index,
                                 const Environment& environment) {
  YamlMapping mapping(
      node, file, absl::StrCat("tiers[", index, "]."),
      {"name", "endpoint", "model", "api_key_env", "api_key_file", "stream", "max_tokens",
       "temperature", "top_p", "seed", "timeout_seconds", "silence_seconds"});
  ModelTier tier;
  std::string variable;
  std::string key_file;
  for (const char* key : {"name", "endpoint", "model"}) mapping.Require(key);
  mapping.Take("name", &tier.name);
  mapping.Take("endpoint", &tier.endpoint.base_url);
  mapping.Take("model", &tier.endpoint.model);
  mapping.Take("api_key_env", &variable);
  mapping.Take("api_key_file", &key_file);
  mapping.Take("stream", &tier.endpoint.stream);
  mapping.TakeWhole<uint32_t>("max_tokens", &tier.parameters.max_tokens, 1,
                              ChatParameters::kMaxTokens);
  mapping.TakeReal("temperature", &tier.parameters.temperature);
  mapping.TakeReal("top_p", &tier.parameters.top_p);
  if (mapping.Has("seed")) {
    mapping.TakeWhole<int64_t>("seed", &tier.parameters.seed.emplace(), INT64_MIN, INT64_MAX);
  }
  const std::pair<const char*, int64_t*> times[] = {{"timeout_seconds", &tier.endpoint.timeout_ms},
                                                    {"silence_seconds", &tier.endpoint.silence_ms}};
  for (const auto& [key, value] : times) {
    if (!mapping.Has(key)) continue;
    mapping.TakeWhole<int64_t>(key, value, 1, 3'600);
    *value *= 1'000;
  }
  if (!mapping.status().ok()) return mapping.status();
  absl::StatusOr<std::string> api_key = ApiKey(variable, key_file, environment);
  if (!api_key.ok()) return api_key.status();
  tier.endpoint.api_key = *std::move(api_key);
  return tier;
}

absl::Status TakePrices(const YAML::Node& node, const std::string& file, PriceTable* prices) {
  YamlMapping mapping(node, file, "prices.", {"version", "currency", "models"});
  mapping.Require("version");
  mapping.Take("version", &prices->version);
  mapping.Take("currency", &prices->currency);
  if (!mapping.Has("models")) return mapping.status();
  YamlMapping models(mapping.At("models"), file, "prices.models.", {});
  if (!models.status().ok()) return models.status();
  for (const auto& entry : mapping.At("models")) {
    const std::string name = entry.first.as<std::string>("");
    YamlMapping price(entry.second, file, absl::StrCat("prices.models.", name, "."),
                  {"input_per_million", "output_per_million"});
    ModelPrice& model = prices->models[name];
    // A thousandth of the currency for a million tokens is a billionth for one.
    price.TakeDecimal("input_per_million", 3, &model.input_nano);
    price.TakeDecimal("output_per_million", 3, &model.output_nano);
    if (!price.status().ok()) return price.status();
  }
  return mapping.status();
}

absl::Status TakeLimits(const YAML::Node& node, const std::string& file, SpendLimits* limits) {
  YamlMapping mapping(node, file, "limits.", {"tenant_day", "pipeline_day"});
  mapping.TakeDecimal("tenant_day", 9, &limits->tenant_day_nano);
  mapping.TakeDecimal("pipeline_day", 9, &limits->pipeline_day_nano);
  return mapping.status();
}

// A real number of a rule that has a default.
void TakeNumber(YamlMapping* mapping, const char* key, double* value) {
  std::optional<double> number;
  mapping->TakeReal(key, &number);
  if (number) *value = *number;
}

absl::Status TakeEscalation(const YAML::Node& node, const std::string& file,
                            std::optional<EscalationRules>* rules) {
  YamlMapping mapping(node, file, "escalate.",
                      {"below_grounding", "on_refusal", "most", "explore"});
  EscalationRules& escalate = rules->emplace();
  TakeNumber(&mapping, "below_grounding", &escalate.below_grounding);
  mapping.Take("on_refusal", &escalate.on_refusal);
  mapping.TakeWhole<uint32_t>("most", &escalate.most, 1, EscalationRules::kMaxEscalations);
  TakeNumber(&mapping, "explore", &escalate.explore);
  return mapping.status();
}

absl::Status TakeHedge(const YAML::Node& node, const std::string& file,
                       std::optional<HedgeRules>* rules) {
  YamlMapping mapping(node, file, "hedge.", {"quantile", "share", "min_delay_ms"});
  HedgeRules& hedge = rules->emplace();
  TakeNumber(&mapping, "quantile", &hedge.quantile);
  TakeNumber(&mapping, "share", &hedge.share);
  mapping.TakeWhole<int64_t>("min_delay_ms", &hedge.min_delay_ms, 1, 60'000);
  return mapping.status();
}

absl::StatusOr<RouteSpec> SpecOf(const YAML::Node& root, const std::string& file,
                                 const Environment& environment) {
  YamlMapping mapping(root, file, "",
                  {"name", "tiers", "prices", "limits", "retries", "max_prompt_tokens", "escalate",
                   "hedge"});
  RouteSpec spec;
  mapping.Require("tiers");
  mapping.Take("name", &spec.name);
  mapping.TakeWhole<uint32_t>("retries", &spec.retries, 0, RouteSpec::kMaxRetries);
  mapping.TakeWhole<uint32_t>("max_prompt_tokens", &spec.max_prompt_tokens, 100,
                              RouteSpec::kMaxPromptTokens);
  if (mapping.Has("prices")) mapping.Take(TakePrices(mapping.At("prices"), file, &spec.prices));
  if (mapping.Has("limits")) mapping.Take(TakeLimits(mapping.At("limits"), file, &spec.limits));
  if (mapping.Has("escalate"))
    mapping.Take(TakeEscalation(mapping.At("escalate"), file, &spec.escalate));
  if (mapping.Has("hedge")) mapping.Take(TakeHedge(mapping.At("hedge"), file, &spec.hedge));
  if (mapping.Has("tiers") && !mapping.At("tiers").IsSequence()) {
    mapping.Fail(mapping.At("tiers"), "tiers", "takes a list");
  }
  if (!mapping.status().ok()) return mapping.status();
  for (const YAML::Node& node : mapping.At("tiers")) {
    absl::StatusOr<ModelTier> tier = TierOf(node, file, spec.tiers.size(), environment);
    if (!tier.ok()) return tier.status();
    spec.tiers.push_back(*std::move(tier));
  }
  if (absl::Status status = CheckRoute(&spec); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(file, ": ", status.message()));
  }
  return spec;
}

}  // namespace

absl::StatusOr<RouteSpec> ParseRouteFile(const std::string& file_name, const std::string& text,
                                         const Environment& environment) {
  try {
    return SpecOf(YAML::Load(text), file_name, environment);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file_name, ", line ", error.mark.line + 1,
                                                   ", column ", error.mark.column + 1,
                                                   ": not YAML: ", error.msg));
  }
}

absl::StatusOr<std::optional<RouteSpec>> RouteOf(const Config& config,
                                                 const Environment& environment) {
  if (!config.generator_route.empty()) {
    if (!config.generator_model.empty()) {
      return absl::InvalidArgumentError(
          "generator.route and generator.model are both set; a route names its models itself");
    }
    const absl::StatusOr<std::string> text =
        ReadWhole(config.generator_route, kMaxYamlFileBytes, "the route file");
    if (!text.ok()) return text.status();
    absl::StatusOr<RouteSpec> spec = ParseRouteFile(config.generator_route, *text, environment);
    if (!spec.ok()) return spec.status();
    return std::optional<RouteSpec>(*std::move(spec));
  }
  if (config.generator_model.empty()) return std::optional<RouteSpec>();
  const std::string& endpoint =
      config.generator_endpoint.empty() ? config.model_server_base_url : config.generator_endpoint;
  if (endpoint.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "generator.model is '", config.generator_model,
        "', and no server is set for it (generator.endpoint or model_server.base_url)"));
  }
  // A variable that nobody named need not be there: servers of one's own ask for no key.
  const bool named = config.OriginOf("generator.api_key_env") != ConfigOrigin::kDefault;
  absl::StatusOr<std::string> api_key =
      named || !config.generator_api_key_file.empty()
          ? ApiKey(config.generator_api_key_env, config.generator_api_key_file, environment)
          : environment(config.generator_api_key_env).value_or("");
  if (!api_key.ok()) return api_key.status();
  RouteSpec spec;
  spec.tiers.push_back({.name = "model",
                        .endpoint = {.base_url = endpoint,
                                     .model = config.generator_model,
                                     .api_key = *std::move(api_key)},
                        .parameters = {}});
  if (absl::Status status = CheckRoute(&spec); !status.ok()) return status;
  return std::optional<RouteSpec>(std::move(spec));
}

}  // namespace vouch
