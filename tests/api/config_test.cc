#include "api/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"

namespace vouch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    sources_.environment = [this](const std::string& variable) -> std::optional<std::string> {
      const auto it = variables_.find(variable);
      return it == variables_.end() ? std::nullopt : std::optional<std::string>(it->second);
    };
    sources_.file_name = "vouch.yaml";
  }

  Config Load() {
    absl::StatusOr<Config> config = LoadConfig(sources_);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : Config{};
  }
  static Config WithData(const std::string& data) {
    Config config;
    config.data = data;
    return config;
  }
  std::string Error() { return std::string(LoadConfig(sources_).status().message()); }

  ConfigSources sources_;
  std::map<std::string, std::string> variables_;
};

TEST_F(ConfigTest, DefaultsStandWhereNothingIsSet) {
  const Config config = Load();
  EXPECT_EQ(config.listen, "127.0.0.1:7700");
  EXPECT_EQ(config.seal_rows, 10'000u);
  EXPECT_EQ(config.OriginOf("listen"), ConfigOrigin::kDefault);
}

TEST_F(ConfigTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  sources_.file_text = "seal_rows: 1000\nlog_level: debug\nlisten: '127.0.0.1:1'\n";
  variables_["VOUCH_SEAL_ROWS"] = "2000";
  variables_["VOUCH_LISTEN"] = "127.0.0.1:2";
  sources_.flags["seal_rows"] = "3000";
  const Config config = Load();
  EXPECT_EQ(config.seal_rows, 3000u);
  EXPECT_EQ(config.OriginOf("seal_rows"), ConfigOrigin::kFlag);
  EXPECT_EQ(config.listen, "127.0.0.1:2");
  EXPECT_EQ(config.OriginOf("listen"), ConfigOrigin::kEnvironment);
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.OriginOf("log_level"), ConfigOrigin::kFile);
}

TEST_F(ConfigTest, GroupsAreMappings) {
  sources_.file_text = "model_server:\n  base_url: http://127.0.0.1:11434/v1\n";
  EXPECT_EQ(Load().model_server_base_url, "http://127.0.0.1:11434/v1");
  sources_.file_text = "model_server.base_url: http://127.0.0.1:1/v1\n";
  EXPECT_EQ(Load().model_server_base_url, "http://127.0.0.1:1/v1");
  variables_["VOUCH_MODEL_SERVER_BASE_URL"] = "http://127.0.0.1:2/v1";
  EXPECT_EQ(Load().model_server_base_url, "http://127.0.0.1:2/v1");
}

TEST_F(ConfigTest, UnknownKeyNamesLineAndNearest) {
  sources_.file_text = "# settings\n\nseal_row: 1000\n";
  EXPECT_THAT(Error(), AllOf(HasSubstr("vouch.yaml, line 3"), HasSubstr("seal_row"),
                             HasSubstr("'seal_rows'")));
  sources_.file_text = "model_server:\n  base_ulr: x\n";
  EXPECT_THAT(Error(), AllOf(HasSubstr("line 2"), HasSubstr("model_server.base_ulr"),
                             HasSubstr("'model_server.base_url'")));
  sources_.file_text = "nothing: {}\n";
  EXPECT_THAT(Error(), HasSubstr("nothing"));
}

TEST_F(ConfigTest, ValueOutOfBoundsNamesPlaceValueAndBounds) {
  sources_.file_text = "seal_rows: 5\n";
  EXPECT_THAT(Error(), AllOf(HasSubstr("line 1"), HasSubstr("'5'"), HasSubstr("100 to 10000000")));
  sources_.file_text.clear();
  variables_["VOUCH_SEAL_ROWS"] = "many";
  EXPECT_THAT(Error(), AllOf(HasSubstr("VOUCH_SEAL_ROWS"), HasSubstr("'many'")));
  variables_.clear();
  sources_.flags["log_level"] = "loud";
  EXPECT_THAT(Error(),
              AllOf(HasSubstr("--log-level"), HasSubstr("'loud'"), HasSubstr("debug, info")));
}

TEST_F(ConfigTest, FilesThatAreNoMappingAreRefused) {
  for (const char* text :
       {"- a\n- b\n", "just words\n", "listen: [1, 2]\n", "listen:\n", "listen: {a: b}\n",
        "listen: a\nlisten: b\n", "a: b: c\n", "\"", "{", "? [a]\n: b\n"}) {
    sources_.file_text = text;
    EXPECT_FALSE(LoadConfig(sources_).ok()) << text;
    EXPECT_THAT(Error(), HasSubstr("vouch.yaml")) << text;
  }
  sources_.file_text = "# nothing but a comment\n";
  EXPECT_TRUE(LoadConfig(sources_).ok());
}

// A value of each key as text, and how it is read back.
struct KeySample {
  std::string value;
  std::function<std::string(const Config&)> read;
};
KeySample Text(std::string value, std::string Config::*member) {
  return {std::move(value), [member](const Config& config) { return config.*member; }};
}
KeySample Number(uint64_t value, uint64_t Config::*member) {
  return {std::to_string(value),
          [member](const Config& config) { return std::to_string(config.*member); }};
}
const std::map<std::string, KeySample>& KeySamples() {
  static const auto& samples = *new std::map<std::string, KeySample>{
      {"listen", Text("127.0.0.1:1", &Config::listen)},
      {"http_listen", Text("127.0.0.1:5", &Config::http_listen)},
      {"data", Text("/d", &Config::data)},
      {"rerankers", Text("/rerankers.yaml", &Config::rerankers)},
      {"hooks", Text("/hooks.yaml", &Config::hooks)},
      {"hook_urls", {"https://a.example,http://b.example/x",
                     [](const Config& config) { return absl::StrJoin(config.hook_urls, ","); }}},
      {"server", Text("127.0.0.1:2", &Config::server)},
      {"log_level", Text("warn", &Config::log_level)},
      {"background_threads", Number(7, &Config::background_threads)},
      {"batch_threads", Number(8, &Config::batch_threads)},
      {"block_cache_mb", Number(33, &Config::block_cache_mb)},
      {"memory_limit", {"8GiB",
                        [](const Config& config) {
                          return config.memory_limit == 0 ? "0" : std::to_string(config.memory_limit >> 30) + "GiB";
                        }}},
      {"max_message_mb", Number(34, &Config::max_message_mb)},
      {"request_threads", Number(35, &Config::request_threads)},
      {"http_connections", Number(37, &Config::http_connections)},
      {"seal_rows", Number(1234, &Config::seal_rows)},
      {"drain_seconds", Number(36, &Config::drain_seconds)},
      {"maintenance_seconds", Number(37, &Config::maintenance_seconds)},
      {"model_server.base_url", Text("http://127.0.0.1:3/v1", &Config::model_server_base_url)},
      {"model_server.api_key_env", Text("MY_KEY", &Config::model_server_api_key_env)},
      {"generator.route", Text("/r.yaml", &Config::generator_route)},
      {"generator.model", Text("m", &Config::generator_model)},
      {"generator.endpoint", Text("http://127.0.0.1:4/v1", &Config::generator_endpoint)},
      {"generator.api_key_env", Text("OTHER_KEY", &Config::generator_api_key_env)},
      {"generator.api_key_file", Text("/k", &Config::generator_api_key_file)},
      {"gpu.devices", Text("0,2", &Config::gpu_devices)},
      {"gpu.memory_limit", {"40GiB",
                            [](const Config& config) {
                              return config.gpu_memory_limit == 0 ? "0" : std::to_string(config.gpu_memory_limit >> 30) + "GiB";
                            }}},
      {"gpu.pinned", Text("notes", &Config::gpu_pinned)},
      {"gpu.shares", Text("acme=30:60", &Config::gpu_shares)},
      {"gpu.builds", Text("on", &Config::gpu_builds)},
      {"gpu.copies", Number(2, &Config::gpu_copies)},
      {"gpu.batch", Number(64, &Config::gpu_batch)},
      {"gpu.batch_wait_us", Number(50, &Config::gpu_batch_wait_us)},
      {"telemetry.endpoint", Text("http://127.0.0.1:6", &Config::telemetry_endpoint)}};
  return samples;
}

TEST_F(ConfigTest, EveryKeyIsTakenFromEachPlace) {
  EXPECT_EQ(KeySamples().size(), ConfigKeys().size());
  for (const ConfigKey& key : ConfigKeys()) {
    SCOPED_TRACE(key.name);
    ASSERT_EQ(KeySamples().count(key.name), 1u) << "add a sample of this key";
    const KeySample& sample = KeySamples().at(key.name);
    EXPECT_NE(sample.read(Config()), sample.value);
    const auto expect = [&](ConfigOrigin origin) {
      const Config config = Load();
      EXPECT_EQ(sample.read(config), sample.value);
      EXPECT_EQ(config.OriginOf(key.name), origin);
      EXPECT_EQ(config.origins.size(), 1u);
      sources_.flags.clear();
      sources_.file_text.clear();
      variables_.clear();
    };
    sources_.flags[key.name] = sample.value;
    expect(ConfigOrigin::kFlag);
    variables_[key.environment] = sample.value;
    expect(ConfigOrigin::kEnvironment);
    sources_.file_text = key.name + ": " + sample.value + "\n";
    expect(ConfigOrigin::kFile);
    if (const size_t dot = key.name.find('.'); dot != std::string::npos) {
      sources_.file_text =
          key.name.substr(0, dot) + ":\n  " + key.name.substr(dot + 1) + ": " + sample.value + "\n";
      expect(ConfigOrigin::kFile);
    }
  }
}

TEST_F(ConfigTest, ABadNumberIsRefusedFromEachPlace) {
  for (const ConfigKey& key : ConfigKeys()) {
    SCOPED_TRACE(key.name);
    const std::string& sample = KeySamples().at(key.name).value;
    if (sample.find_first_not_of("0123456789") != std::string::npos) continue;
    for (const char* bad : {"", "x", "-1", "1.5", "18446744073709551616"}) {
      sources_.flags[key.name] = bad;
      EXPECT_THAT(Error(), AllOf(HasSubstr(key.flag), HasSubstr("whole number"))) << bad;
      sources_.flags.clear();
      variables_[key.environment] = bad;
      EXPECT_THAT(Error(), AllOf(HasSubstr(key.environment), HasSubstr("whole number"))) << bad;
      variables_.clear();
      sources_.file_text = key.name + ": '" + bad + "'\n";
      EXPECT_THAT(Error(), AllOf(HasSubstr("line 1: " + key.name), HasSubstr("whole number")))
          << bad;
      sources_.file_text.clear();
    }
  }
}

// What the package installs: all keys, those that are commented out with their defaults.
TEST_F(ConfigTest, TheFileOfThePackageListsEveryKeyWithItsDefault) {
  std::ifstream in("docs/vouch.yaml");
  const std::regex commented("^# ( *[a-z_]+:.*)$");
  std::smatch match;
  for (std::string line; std::getline(in, line);) {
    const bool setting = std::regex_match(line, match, commented);
    sources_.file_text += (setting ? match[1].str() : line) + "\n";
  }
  const Config config = Load();
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_EQ(config.OriginOf(key.name), ConfigOrigin::kFile) << key.name;
    if (key.name == "data" || key.name == "server" || key.name == "model_server.base_url") continue;
    if (key.name == "http_listen") {  // where none is given, it follows from listen
      EXPECT_EQ(HttpListenOf(config), HttpListenOf(Config()));
      continue;
    }
    const KeySample& sample = KeySamples().at(key.name);
    EXPECT_EQ(sample.read(config), sample.read(Config())) << key.name;
  }
}

TEST_F(ConfigTest, EveryKeyHasItsThreeForms) {
  std::set<std::string> names;
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_THAT(key.flag, testing::StartsWith("--"));
    EXPECT_THAT(key.environment, testing::StartsWith("VOUCH_"));
    EXPECT_FALSE(key.help.empty());
  }
  EXPECT_EQ(names.count("model_server.base_url"), 1u);
}

TEST_F(ConfigTest, AListIsAListOrATextWithCommas) {
  const std::vector<std::string> both = {"https://a.example", "https://b.example/x"};
  sources_.file_text = "hook_urls: [https://a.example, https://b.example/x]\n";
  EXPECT_EQ(Load().hook_urls, both);
  sources_.file_text = "hook_urls: https://a.example, https://b.example/x\n";
  EXPECT_EQ(Load().hook_urls, both);
  variables_["VOUCH_HOOK_URLS"] = "https://c.example , ";
  EXPECT_EQ(Load().hook_urls, std::vector<std::string>{"https://c.example"});
  variables_["VOUCH_HOOK_URLS"] = "";
  EXPECT_TRUE(Load().hook_urls.empty());
  for (const char* bad : {"hook_urls: [{a: b}]\n", "hook_urls: {a: b}\n", "hook_urls: ['']\n"}) {
    sources_.file_text = bad;
    EXPECT_THAT(Error(), HasSubstr("line 1: hook_urls")) << bad;
  }
  sources_.file_text = "listen: [a, b]\n";
  EXPECT_THAT(Error(), HasSubstr("listen has a list; it takes one value"));
}

TEST_F(ConfigTest, DataLiesUnderDataHome) {
  EXPECT_EQ(*DataDirectory(WithData("/d"), sources_.environment), "/d");
  EXPECT_EQ(DataDirectory(Config{}, sources_.environment).status().code(),
            absl::StatusCode::kFailedPrecondition);
  variables_["HOME"] = "/home/me";
  EXPECT_EQ(*DataDirectory(Config{}, sources_.environment), "/home/me/.local/share/vouch");
  variables_["XDG_DATA_HOME"] = "/data";
  EXPECT_EQ(*DataDirectory(Config{}, sources_.environment), "/data/vouch");
}

}  // namespace
}  // namespace vouch
