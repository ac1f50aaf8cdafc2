#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace vouch {

// Where a setting's value came from. Later ones win.
enum class ConfigOrigin : uint8_t { kDefault, kFile, kEnvironment, kFlag };

// All settings of the program. The keys of the YAML file have these names, with a dot where a `_`
// stands for a group (model_server.base_url); ConfigKeys() lists them with their bounds and
// meaning.
struct Config {
  std::string listen = "127.0.0.1:7700";
  // "HOST:PORT"; "off": none; empty: loopback, at the port after that of `listen`
  std::string http_listen = {};
  std::string data = {};  // empty: $XDG_DATA_HOME/vouch, else ~/.local/share/vouch
  // HOST:PORT that the commands speak to; empty: the store in `data`, embedded
  std::string server = {};
  std::string log_level = "info";
  uint64_t background_threads = 1;
  uint64_t batch_threads = 2;
  uint64_t block_cache_mb = 64;
  uint64_t memory_limit = 0;  // bytes; 0: none
  uint64_t max_message_mb = 64;
  uint64_t request_threads = 64;
  uint64_t http_connections = 256;
  uint64_t seal_rows = 10'000;
  uint64_t drain_seconds = 10;
  uint64_t maintenance_seconds = 60;  // 0: only when a command asks for it
  std::string model_server_base_url = {};
  std::string model_server_api_key_env = "OPENAI_API_KEY";
  // The models that answers are written by; neither route nor model: answers are quoted.
  std::string generator_route = {};
  std::string generator_model = {};
  std::string generator_endpoint = {};  // empty: model_server_base_url
  std::string generator_api_key_env = "OPENAI_API_KEY";
  std::string generator_api_key_file = {};
  std::string telemetry_endpoint = {};  // of an OTLP/HTTP collector; empty: no spans are sent
  std::string rerankers = {};  // the file of cross-encoders; empty: none
  std::string hooks = {};      // the file of hooks; empty: none
  std::vector<std::string> hook_urls = {};  // prefixes of what applied hooks may speak to; empty: none may be applied
  std::string gpu_devices = "auto";  // of a server
  uint64_t gpu_memory_limit = 0;     // bytes of each; 0: nine tenths of what is free
  std::string gpu_pinned = {};       // collections, as gpu_settings.h takes them
  std::string gpu_shares = {};       // likewise
  uint64_t gpu_copies = 1;
  std::string gpu_builds = "off";
  uint64_t gpu_batch = 256;
  uint64_t gpu_batch_wait_us = 200;

  std::map<std::string, ConfigOrigin> origins = {};  // by key; absent: default
  ConfigOrigin OriginOf(const std::string& key) const {
    const auto it = origins.find(key);
    return it == origins.end() ? ConfigOrigin::kDefault : it->second;
  }
};

// One setting, in its three forms.
struct ConfigKey {
  std::string name = {};         // "model_server.base_url", in the file
  std::string flag = {};         // "--model-server-base-url"
  std::string environment = {};  // "VOUCH_MODEL_SERVER_BASE_URL"
  std::string value_name = {};   // for --help: "HOST:PORT"
  std::string help = {};         // with bounds and default
};
const std::vector<ConfigKey>& ConfigKeys();

struct ConfigSources {
  std::map<std::string, std::string> flags = {};  // by key
  std::function<std::optional<std::string>(const std::string& variable)> environment = {};
  std::string file_name = {};  // for messages
  std::string file_text = {};  // YAML; empty: no file
};

// Flag over environment over file over default. INVALID_ARGUMENT names the place (flag, variable,
// file and line), the key, the value and what it takes; an unknown key of the file with the nearest
// one that there is.
absl::StatusOr<Config> LoadConfig(const ConfigSources& sources);

// Where HTTP is listened on: `http_listen`, or its default from a checked `listen` (port 0 where that
// is 0); empty where there is none.
std::string HttpListenOf(const Config& config);

// Where the store lies: `data`, or its default from the environment. FAILED_PRECONDITION where
// there is neither XDG_DATA_HOME nor HOME.
absl::StatusOr<std::string> DataDirectory(
    const Config& config,
    const std::function<std::optional<std::string>(const std::string& variable)>& environment);

}  // namespace vouch
