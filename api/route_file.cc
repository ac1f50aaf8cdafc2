#include "api/route_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace vouch {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMaxKeyBytes = 8'192;

absl::StatusOr<std::string> ReadWhole(const std::string& path, size_t max_bytes,
                                      const std::string& what) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat(what, " '", path, "' cannot be read"));
  std::string text(max_bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " '", path, "' has more than ", max_bytes, " bytes"));
  }
  return text;
}

// Digits with at most `decimals` of them after a point, as a whole number of the last of them:
// "0.15" with 3 is 150.
bool ParseDecimal(const std::string& text, size_t decimals, uint64_t* value) {
  const size_t point = std::min(text.find('.'), text.size());
  std::string fraction = point < text.size() ? text.substr(point + 1) : "";
  if (point == 0 || fraction.size() > decimals || (point < text.size() && fraction.empty()))
    return false;
  fraction.resize(decimals, '0');
  const std::string digits = text.substr(0, point) + fraction;
  return digits.size() <= 18 && std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(digits, value);
}

// One mapping of the file. The first mistake is kept as the error.
class Mapping {
 public:
  Mapping(const YAML::Node& node, std::string file, std::string where,
          std::vector<std::string> keys)
      : node_(node), file_(std::move(file)), where_(std::move(where)) {
    if (!node.IsMap()) {
      Fail(node, where_.empty() ? "the file" : where_, "takes a mapping of keys to values");
      return;
    }
    std::vector<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.as<std::string>("");
      if (!keys.empty() && std::find(keys.begin(), keys.end(), key) == keys.end()) {
        Fail(entry.first, where_ + key,
             absl::StrCat("is no known key; there are ", absl::StrJoin(keys, ", ")));
      } else if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
        Fail(entry.first, where_ + key, "stands twice");
      }
      seen.push_back(key);
    }
  }

  bool Has(const std::string& key) const { return node_.IsMap() && node_[key].IsDefined(); }
  YAML::Node At(const std::string& key) const { return node_[key]; }

  void Take(const std::string& key, std::string* value) {
    if (const std::string* text = Scalar(key)) *value = *text;
  }
  void Take(const std::string& key, bool* value) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    if (*text != "true" && *text != "false") return Bad(key, *text, "true or false");
    *value = *text == "true";
  }
  template <typename Number>
  void TakeWhole(const std::string& key, Number* value, Number min, Number max) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    Number number = 0;
    if (!absl::SimpleAtoi(*text, &number) || number < min || number > max) {
      return Bad(key, *text, absl::StrCat("a whole number from ", min, " to ", max));
    }
    *value = number;
  }
  void TakeReal(const std::string& key, std::optional<double>* value) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    double number = 0;
    if (!absl::SimpleAtod(*text, &number)) return Bad(key, *text, "a number");
    *value = number;
  }
  template <typename Value>
  void TakeDecimal(const std::string& key, size_t decimals, Value* value) {
    const std::string* text = Scalar(key);
    if (text == nullptr) return;
    uint64_t number = 0;
    if (!ParseDecimal(*text, decimals, &number)) {
      return Bad(key, *text,
                 absl::StrCat("an amount with at most ", decimals, " decimals, as 1.50"));
    }
    *value = number;
  }

  void Require(const std::string& key) {
    if (!Has(key)) Fail(node_, where_ + key, "is missing");
  }
  void Fail(const YAML::Node& at, const std::string& key, const std::string& what) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(file_, ", line ", at.Mark().line + 1, ": ", key, " ", what));
  }
  void Take(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const absl::Status& status() const { return status_; }

 private:
  const std::string* Scalar(const std::string& key) {
    if (!Has(key)) return nullptr;
    const YAML::Node value = node_[key];
    if (!value.IsScalar()) {
      Fail(value, where_ + key, "takes one value");
      return nullptr;
    }
    return &value.Scalar();
  }
  void Bad(const std::string& key, const std::string& value, const std::string& takes) {
    Fail(node_[key], where_ + key, absl::StrCat("is '", value, "'; it takes ", takes));
  }

  const YAML::Node node_;
  const std::string file_;
  const std::string where_;
  absl::Status status_;
};

absl::StatusOr<std::string> ApiKey(const std::string& variable, const std::string& file,
                                   const Environment& environment) {
  if (!file.empty()) {
    absl::StatusOr<std::string> key = ReadWhole(file, kMaxKeyBytes, "the file of an API key");
    if (!key.ok()) return key.status();
    return std::string(absl::StripAsciiWhitespace(*key));
  }
  if (variable.empty()) return std::string();
  std::optional<std::string> key = environment(variable);
  if (!key.has_value() || key->empty()) {
    return absl::NotFoundError(absl::StrCat("the environment variable ", variable,
                                            ", which shall hold an API key, is not set"));
  }
  return *std::move(key);
}

absl::StatusOr<ModelTier> TierOf(const YAML::Node& node, const std::string& file, size_t index,
                                 const Environment& environment) {
  Mapping mapping(
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
  Mapping mapping(node, file, "prices.", {"version", "currency", "models"});
  mapping.Require("version");
  mapping.Take("version", &prices->version);
  mapping.Take("currency", &prices->currency);
  if (!mapping.Has("models")) return mapping.status();
  Mapping models(mapping.At("models"), file, "prices.models.", {});
  if (!models.status().ok()) return models.status();
  for (const auto& entry : mapping.At("models")) {
    const std::string name = entry.first.as<std::string>("");
    Mapping price(entry.second, file, absl::StrCat("prices.models.", name, "."),
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
  Mapping mapping(node, file, "limits.", {"tenant_day", "pipeline_day"});
  mapping.TakeDecimal("tenant_day", 9, &limits->tenant_day_nano);
  mapping.TakeDecimal("pipeline_day", 9, &limits->pipeline_day_nano);
  return mapping.status();
}

absl::StatusOr<RouteSpec> SpecOf(const YAML::Node& root, const std::string& file,
                                 const Environment& environment) {
  Mapping mapping(root, file, "",
                  {"name", "tiers", "prices", "limits", "retries", "max_prompt_tokens"});
  RouteSpec spec;
  mapping.Require("tiers");
  mapping.Take("name", &spec.name);
  mapping.TakeWhole<uint32_t>("retries", &spec.retries, 0, RouteSpec::kMaxRetries);
  mapping.TakeWhole<uint32_t>("max_prompt_tokens", &spec.max_prompt_tokens, 100,
                              RouteSpec::kMaxPromptTokens);
  if (mapping.Has("prices")) mapping.Take(TakePrices(mapping.At("prices"), file, &spec.prices));
  if (mapping.Has("limits")) mapping.Take(TakeLimits(mapping.At("limits"), file, &spec.limits));
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
        ReadWhole(config.generator_route, kMaxFileBytes, "the route file");
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
