#include "api/route_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kRoute[] = R"(name: help-desk
retries: 1
max_prompt_tokens: 4000
prices:
  version: 2026-11
  currency: EUR
  models:
    small: {input_per_million: 0.15, output_per_million: 0.6}
    large: {input_per_million: 2, output_per_million: 8.125}
limits:
  tenant_day: 5
  pipeline_day: 0.5
tiers:
  - name: local
    endpoint: http://127.0.0.1:11434/v1/
    model: small
    temperature: 0.2
    seed: -7
    max_tokens: 300
    silence_seconds: 20
  - name: far
    endpoint: https://models.test/v1
    model: large
    api_key_env: FAR_KEY
    stream: false
)";

std::optional<std::string> RouteVariables(const std::string& name) {
  return name == "FAR_KEY" ? std::optional<std::string>("sk-far") : std::nullopt;
}

TEST(RouteFileTest, AllKeys) {
  const absl::StatusOr<RouteSpec> spec = ParseRouteFile("route.yaml", kRoute, RouteVariables);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name, "help-desk");
  EXPECT_EQ(spec->retries, 1u);
  EXPECT_EQ(spec->prices.version, "2026-11");
  EXPECT_EQ(spec->prices.models.at("small").input_nano, 150u);
  EXPECT_EQ(spec->prices.models.at("large").output_nano, 8'125u);
  EXPECT_EQ(spec->limits.tenant_day_nano, 5'000'000'000u);
  EXPECT_EQ(spec->limits.pipeline_day_nano, 500'000'000u);
  ASSERT_EQ(spec->tiers.size(), 2u);
  EXPECT_EQ(spec->tiers[0].endpoint.base_url, "http://127.0.0.1:11434/v1");
  EXPECT_EQ(spec->tiers[0].parameters.seed, -7);
  EXPECT_EQ(spec->tiers[0].parameters.temperature, 0.2);
  EXPECT_EQ(spec->tiers[0].endpoint.silence_ms, 20'000);
  EXPECT_EQ(spec->tiers[1].endpoint.api_key, "sk-far");
  EXPECT_FALSE(spec->tiers[1].endpoint.stream);
}

TEST(RouteFileTest, MistakesNameFileLineAndKey) {
  const auto error = [](const std::string& from, const std::string& to) {
    std::string text = kRoute;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return std::string(ParseRouteFile("route.yaml", text, RouteVariables).status().message());
  };
  EXPECT_THAT(
      error("retries: 1", "retries: many"),
      HasSubstr("route.yaml, line 2: retries is 'many'; it takes a whole number from 0 to 10"));
  EXPECT_THAT(error("retries: 1", "retires: 1"),
              HasSubstr("line 2: retires is no known key; there are name"));
  EXPECT_THAT(error("retries: 1", "name: again"), HasSubstr("line 2: name stands twice"));
  EXPECT_THAT(
      error("0.15", "0.1234"),
      HasSubstr(
          "line 8: prices.models.small.input_per_million is '0.1234'; it takes an amount with "
          "at most 3 decimals"));
  EXPECT_THAT(error("tenant_day: 5", "tenant_day: -5"), HasSubstr("limits.tenant_day is '-5'"));
  EXPECT_THAT(error("    model: small\n", ""), HasSubstr("tiers[0].model is missing"));
  EXPECT_THAT(error("stream: false", "stream: maybe"), HasSubstr("takes true or false"));
  EXPECT_THAT(error("model: large", "model: huge"),
              HasSubstr("route.yaml: model tier \"far\": its model \"huge\" has no price"));
  EXPECT_THAT(
      error("api_key_env: FAR_KEY", "api_key_env: NO_KEY"),
      HasSubstr("the environment variable NO_KEY, which shall hold an API key, is not set"));
  EXPECT_THAT(error("name: help-desk", "name: [x"), HasSubstr("not YAML"));
  EXPECT_THAT(error("tiers:", "tiers: 7\nx:"), HasSubstr("no known key"));
  EXPECT_THAT(std::string(ParseRouteFile("r", "- x", RouteVariables).status().message()),
              HasSubstr("r, line 1: the file takes a mapping"));
  EXPECT_THAT(std::string(ParseRouteFile("r", "tiers: x", RouteVariables).status().message()),
              HasSubstr("tiers takes a list"));
}

TEST(RouteFileTest, SettingsMakeARoute) {
  Config config;
  EXPECT_FALSE(RouteOf(config, RouteVariables)->has_value());
  config.generator_model = "m";
  EXPECT_THAT(RouteOf(config, RouteVariables).status().message(), HasSubstr("no server is set for it"));
  config.model_server_base_url = "http://127.0.0.1:1/v1";
  EXPECT_EQ((*RouteOf(config, RouteVariables))->tiers[0].endpoint.base_url, "http://127.0.0.1:1/v1");
  config.generator_endpoint = "http://127.0.0.1:2/v1";
  EXPECT_EQ((*RouteOf(config, RouteVariables))->tiers[0].endpoint.base_url, "http://127.0.0.1:2/v1");
  config.generator_api_key_env = "NO_KEY";
  config.origins["generator.api_key_env"] = ConfigOrigin::kFlag;
  EXPECT_THAT(RouteOf(config, RouteVariables).status().message(), HasSubstr("NO_KEY"));
  TempDir dir;
  std::ofstream(dir.File("key")) << "sk-file\n";
  config.generator_api_key_file = dir.File("key");
  EXPECT_EQ((*RouteOf(config, RouteVariables))->tiers[0].endpoint.api_key, "sk-file");
  config.generator_api_key_file = dir.File("none");
  EXPECT_EQ(RouteOf(config, RouteVariables).status().code(), absl::StatusCode::kNotFound);
  config.generator_route = dir.File("route.yaml");
  EXPECT_THAT(RouteOf(config, RouteVariables).status().message(), HasSubstr("both set"));
  config.generator_model = "";
  EXPECT_THAT(RouteOf(config, RouteVariables).status().message(), HasSubstr("cannot be read"));
  std::ofstream(dir.File("route.yaml")) << kRoute;
  EXPECT_EQ((*RouteOf(config, RouteVariables))->tiers.size(), 2u);
}

}  // namespace
}  // namespace vouch
