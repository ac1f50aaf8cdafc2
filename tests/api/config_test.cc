#include "api/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

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
  EXPECT_EQ(config.seal_rows, 20'000u);
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
