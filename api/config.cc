#include "api/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "api/nearest.h"

namespace vouch {
namespace {

struct TextSetting {
  std::string Config::*member;
  std::vector<std::string> choices;  // empty: any text
};
struct NumberSetting {
  uint64_t Config::*member;
  uint64_t min;
  uint64_t max;
};
// Bytes, written with a unit: "8GiB", "512 MiB"; "0" is none.
struct SizeSetting {
  uint64_t Config::*member;
  uint64_t min;
};
// Texts: a list in the file, one text with commas between them in a variable or a flag, or there too.
struct ListSetting {
  std::vector<std::string> Config::*member;
};
struct Setting {
  std::string name;
  std::string value_name;
  std::string help;
  std::variant<TextSetting, NumberSetting, SizeSetting, ListSetting> kind;
};

const std::vector<Setting>& Settings() {
  static const auto& settings = *new std::vector<Setting>{
      {"listen", "HOST:PORT", "address that the server listens on; port 0: the system chooses",
       TextSetting{&Config::listen, {}}},
      {"http_listen", "HOST:PORT",
       "address for HTTP; off: none (default 127.0.0.1 at the port after that of listen)",
       TextSetting{&Config::http_listen, {}}},
      {"data", "DIR", "folder of the store (default $XDG_DATA_HOME/vouch or ~/.local/share/vouch)",
       TextSetting{&Config::data, {}}},
      {"server", "HOST:PORT", "server that the commands speak to, instead of a store of their own",
       TextSetting{&Config::server, {}}},
      {"log_level", "LEVEL",
       "what the server logs to standard error: debug, info, warn, error, off",
       TextSetting{&Config::log_level, {"debug", "info", "warn", "error", "off"}}},
      {"background_threads", "N",
       "threads that build and merge indexes; more: sooner built, slower searches meanwhile",
       NumberSetting{&Config::background_threads, 1, 256}},
      {"batch_threads", "N",
       "threads of one batch of searches, or of a fusion's leaves; more: it ends sooner where cores are free",
       NumberSetting{&Config::batch_threads, 1, 256}},
      {"block_cache_mb", "MB", "memory that keeps blocks of the store; more: fewer reads from disk",
       NumberSetting{&Config::block_cache_mb, 8, 1 << 20}},
      {"memory_limit", "SIZE",
       "what indexes and store may hold in memory, as 8GiB; near it caches shrink and rows are sealed early, over it "
       "writes and builds are refused; at least 64MiB, 0: no limit",
       SizeSetting{&Config::memory_limit, uint64_t{64} << 20}},
      {"max_message_mb", "MB", "largest request or reply; more: larger batches, more memory a call",
       NumberSetting{&Config::max_message_mb, 1, 1024}},
      {"request_threads", "N", "calls served at a time; more are refused with RESOURCE_EXHAUSTED",
       NumberSetting{&Config::request_threads, 4, 4096}},
      {"http_connections", "N",
       "HTTP connections at a time, a thread each; more are refused with 503",
       NumberSetting{&Config::http_connections, 1, 10'000}},
      {"seal_rows", "ROWS", "fresh rows that are scanned before an index is built of them",
       NumberSetting{&Config::seal_rows, 100, 10'000'000}},
      {"maintenance_seconds", "SECONDS",
       "how often expired points are retired and versions let go; 0: not by itself",
       NumberSetting{&Config::maintenance_seconds, 0, 86'400}},
      {"drain_seconds", "S", "how long running calls may go on when the server is stopped",
       NumberSetting{&Config::drain_seconds, 0, 3600}},
      {"model_server.base_url", "URL", "server for openai embedders, as http://127.0.0.1:11434/v1",
       TextSetting{&Config::model_server_base_url, {}}},
      {"model_server.api_key_env", "VARIABLE",
       "environment variable that holds the model server's API key",
       TextSetting{&Config::model_server_api_key_env, {}}},
      {"generator.route", "FILE",
       "YAML file of the models that write answers (default: none, answers are quoted)",
       TextSetting{&Config::generator_route, {}}},
      {"generator.model", "MODEL", "the one model that writes answers, where there is no route",
       TextSetting{&Config::generator_model, {}}},
      {"generator.endpoint", "URL", "server of that model (default model_server.base_url)",
       TextSetting{&Config::generator_endpoint, {}}},
      {"generator.api_key_env", "VARIABLE", "environment variable that holds that server's API key",
       TextSetting{&Config::generator_api_key_env, {}}},
      {"generator.api_key_file", "FILE", "file that holds it instead",
       TextSetting{&Config::generator_api_key_file, {}}},
      {"telemetry.endpoint", "URL",
       "OTLP/HTTP collector that gets spans of asks, as http://127.0.0.1:4318 (default $OTEL_EXPORTER_OTLP_ENDPOINT, else none)",
       TextSetting{&Config::telemetry_endpoint, {}}},
      {"rerankers", "FILE", "YAML file of the cross-encoders that queries may rerank by (default: none)",
       TextSetting{&Config::rerankers, {}}},
      {"hooks", "FILE", "YAML file of the programs and addresses that are told of changes, or asked before them (default: none)",
       TextSetting{&Config::hooks, {}}},
      {"hook_urls", "URL,…",
       "prefixes of the URLs that hooks which are applied may speak to, as https://ci.example/hooks (default: none may be applied)",
       ListSetting{&Config::hook_urls}},
      {"gpu.devices", "GPUS",
       "GPUs that a server searches by: auto (those there are), off, all (at least one), or numbers as 0,2",
       TextSetting{&Config::gpu_devices, {}}},
      {"gpu.memory_limit", "SIZE",
       "what columns may take of each GPU, as 40GiB; at least 64MiB, 0: nine tenths of what is free when the server starts",
       SizeSetting{&Config::gpu_memory_limit, uint64_t{64} << 20}},
      {"gpu.pinned", "COLLECTIONS",
       "collections whose columns are placed first and stay, as notes,acme/papers (default: none, what is searched most is placed)",
       TextSetting{&Config::gpu_pinned, {}}},
      {"gpu.shares", "SHARES",
       "parts of GPU memory in percent, kept for and at most taken by tenants or collections, as acme=30:60,acme/papers=10:40; a "
       "third number is a tenant's weight in GPU time (default: none is kept, all may be taken, equal weights)",
       TextSetting{&Config::gpu_shares, {}}},
      {"gpu.copies", "N", "GPUs that hold each column, where there are so many; more: they share its searches, less fits",
       NumberSetting{&Config::gpu_copies, 1, 64}},
      {"gpu.builds", "WHICH",
       "on: a GPU that has the room helps to build graphs and inverted files; sooner, but equal rows may give other graphs; off",
       TextSetting{&Config::gpu_builds, {"on", "off"}}},
      {"gpu.batch", "N", "searches that a GPU does at once; more: better used under load, longer batches",
       NumberSetting{&Config::gpu_batch, 1, 1024}},
      {"gpu.batch_wait_us", "US",
       "how long a search may wait for others, in microseconds, where others are to be expected; more: larger batches, later answers",
       NumberSetting{&Config::gpu_batch_wait_us, 0, 100'000}},
  };
  return settings;
}

std::string DefaultOf(const Setting& setting) {
  const Config config;
  if (const auto* text = std::get_if<TextSetting>(&setting.kind)) return config.*text->member;
  if (const auto* size = std::get_if<SizeSetting>(&setting.kind)) return absl::StrCat(config.*size->member);
  if (std::holds_alternative<ListSetting>(setting.kind)) return "";
  return absl::StrCat(config.*std::get<NumberSetting>(setting.kind).member);
}

const Setting* FindSetting(const std::string& name) {
  for (const Setting& setting : Settings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

std::string NearestKey(const std::string& name) {
  std::vector<std::string> names;
  for (const Setting& setting : Settings()) names.push_back(setting.name);
  return NearestName(name, names);
}

// nullopt: not a size.
std::optional<uint64_t> ParseSize(const std::string& text) {
  constexpr std::pair<const char*, int> kUnits[] = {{"kib", 10}, {"mib", 20}, {"gib", 30}, {"tib", 40}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t number = 0;
  if (!absl::SimpleAtoi(text.substr(0, digits), &number)) return std::nullopt;
  const std::string unit = absl::AsciiStrToLower(std::string(absl::StripAsciiWhitespace(text.substr(digits))));
  if (unit.empty() && number == 0) return 0;
  for (const auto& [name, shift] : kUnits) {
    // "8G" is read as 8GiB.
    if (unit != name && unit != std::string(1, name[0])) continue;
    if (number > (~uint64_t{0} >> shift)) return std::nullopt;
    return number << shift;
  }
  return std::nullopt;
}

// Sets one value. `place` says where it stands: "--seal-rows", "VOUCH_SEAL_ROWS", "vouch.yaml, line
// 3: seal_rows".
absl::Status Apply(const Setting& setting, const std::string& value, const std::string& place,
                   ConfigOrigin origin, Config* config) {
  if (const auto* text = std::get_if<TextSetting>(&setting.kind)) {
    if (!text->choices.empty() &&
        std::find(text->choices.begin(), text->choices.end(), value) == text->choices.end()) {
      return absl::InvalidArgumentError(absl::StrCat(place, " is '", value, "'; it takes one of ",
                                                     absl::StrJoin(text->choices, ", ")));
    }
    config->*text->member = value;
  } else if (const auto* size = std::get_if<SizeSetting>(&setting.kind)) {
    const std::optional<uint64_t> parsed = ParseSize(value);
    if (!parsed || (*parsed != 0 && *parsed < size->min)) {
      return absl::InvalidArgumentError(absl::StrCat(place, " is '", value, "'; it takes a size as 8GiB or 512MiB, of ",
                                                     size->min >> 20, "MiB at least, or 0"));
    }
    config->*size->member = *parsed;
  } else if (const auto* list = std::get_if<ListSetting>(&setting.kind)) {
    std::vector<std::string> items;
    for (absl::string_view item : absl::StrSplit(value, ',')) {
      item = absl::StripAsciiWhitespace(item);
      if (!item.empty()) items.emplace_back(item);
    }
    config->*list->member = std::move(items);
  } else {
    const NumberSetting& number = std::get<NumberSetting>(setting.kind);
    uint64_t parsed = 0;
    if (!absl::SimpleAtoi(value, &parsed) || parsed < number.min || parsed > number.max) {
      return absl::InvalidArgumentError(absl::StrCat(place, " is '", value,
                                                     "'; it takes a whole number from ", number.min,
                                                     " to ", number.max));
    }
    config->*number.member = parsed;
  }
  config->origins[setting.name] = origin;
  return absl::OkStatus();
}

// A list of the file, where the setting takes one.
absl::Status ApplyList(const Setting& setting, const YAML::Node& node, const std::string& place, Config* config) {
  const auto* list = std::get_if<ListSetting>(&setting.kind);
  if (list == nullptr) return absl::InvalidArgumentError(absl::StrCat(place, " has a list; it takes one value"));
  std::vector<std::string> items;
  for (const YAML::Node& item : node) {
    if (!item.IsScalar() || item.Scalar().empty())
      return absl::InvalidArgumentError(absl::StrCat(place, " takes a list of texts"));
    items.push_back(item.Scalar());
  }
  config->*list->member = std::move(items);
  config->origins[setting.name] = ConfigOrigin::kFile;
  return absl::OkStatus();
}

// Applies a mapping of the file; keys of nested mappings are joined by dots.
absl::Status ApplyMapping(const YAML::Node& mapping, const std::string& prefix,
                          const std::string& file_name, Config* config) {
  std::map<std::string, int> seen;
  for (const auto& entry : mapping) {
    const std::string name = prefix + entry.first.as<std::string>("");
    const std::string place =
        absl::StrCat(file_name, ", line ", entry.first.Mark().line + 1, ": ", name);
    if (const auto [it, fresh] = seen.emplace(name, entry.first.Mark().line + 1); !fresh) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, " stands twice, first in line ", it->second));
    }
    if (entry.second.IsMap() && entry.second.size() > 0) {
      if (prefix.empty() && FindSetting(name) == nullptr) {
        absl::Status status = ApplyMapping(entry.second, name + ".", file_name, config);
        if (!status.ok()) return status;
        continue;
      }
      return absl::InvalidArgumentError(absl::StrCat(place, " takes one value, not a mapping"));
    }
    const Setting* setting = FindSetting(name);
    if (setting == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(place, " is no known key; the nearest is '",
                                                     NearestKey(name),
                                                     "' (`vouch serve --help` lists all)"));
    }
    if (entry.second.IsSequence()) {
      if (absl::Status status = ApplyList(*setting, entry.second, place, config); !status.ok()) return status;
      continue;
    }
    if (!entry.second.IsScalar())
      return absl::InvalidArgumentError(absl::StrCat(place, " has no value; it takes one"));
    absl::Status status =
        Apply(*setting, entry.second.Scalar(), place, ConfigOrigin::kFile, config);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ApplyFile(const ConfigSources& sources, Config* config) {
  try {
    const YAML::Node root = YAML::Load(sources.file_text);
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) {
      return absl::InvalidArgumentError(absl::StrCat(
          sources.file_name,
          ": the file must be a mapping of keys to values, as `listen: 127.0.0.1:7700`"));
    }
    return ApplyMapping(root, "", sources.file_name, config);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(sources.file_name, ", line ", error.mark.line + 1, ", column ",
                     error.mark.column + 1, ": not YAML: ", error.msg));
  }
}

std::vector<ConfigKey> MakeKeys() {
  std::vector<ConfigKey> keys;
  for (const Setting& setting : Settings()) {
    const std::string words = absl::StrReplaceAll(setting.name, {{".", "_"}});
    std::string help = setting.help;
    if (const auto* number = std::get_if<NumberSetting>(&setting.kind)) {
      absl::StrAppend(&help, "; ", number->min, " to ", number->max);
    }
    if (const std::string value = DefaultOf(setting); !value.empty())
      absl::StrAppend(&help, " (default ", value, ")");
    keys.push_back({.name = setting.name,
                    .flag = absl::StrCat("--", absl::StrReplaceAll(words, {{"_", "-"}})),
                    .environment = absl::StrCat("VOUCH_", absl::AsciiStrToUpper(words)),
                    .value_name = setting.value_name,
                    .help = help});
  }
  return keys;
}

}  // namespace

const std::vector<ConfigKey>& ConfigKeys() {
  static const auto& keys = *new std::vector<ConfigKey>(MakeKeys());
  return keys;
}

absl::StatusOr<Config> LoadConfig(const ConfigSources& sources) {
  Config config;
  if (!sources.file_text.empty()) {
    if (absl::Status status = ApplyFile(sources, &config); !status.ok()) return status;
  }
  for (size_t i = 0; i < ConfigKeys().size(); ++i) {
    const ConfigKey& key = ConfigKeys()[i];
    const Setting& setting = Settings()[i];
    if (const std::optional<std::string> value = sources.environment(key.environment);
        value.has_value()) {
      absl::Status status = Apply(setting, *value, "the environment variable " + key.environment,
                                  ConfigOrigin::kEnvironment, &config);
      if (!status.ok()) return status;
    }
    if (const auto it = sources.flags.find(key.name); it != sources.flags.end()) {
      if (absl::Status status = Apply(setting, it->second, key.flag, ConfigOrigin::kFlag, &config);
          !status.ok()) {
        return status;
      }
    }
  }
  return config;
}

std::string HttpListenOf(const Config& config) {
  if (config.http_listen == "off") return "";
  if (!config.http_listen.empty()) return config.http_listen;
  uint32_t port = 0;
  (void)absl::SimpleAtoi(config.listen.substr(config.listen.rfind(':') + 1), &port);
  return absl::StrCat("127.0.0.1:", port == 0 || port == 65'535 ? 0 : port + 1);
}

absl::StatusOr<std::string> DataDirectory(
    const Config& config,
    const std::function<std::optional<std::string>(const std::string& variable)>& environment) {
  if (!config.data.empty()) return config.data;
  if (const auto data_home = environment("XDG_DATA_HOME");
      data_home.has_value() && !data_home->empty()) {
    return *data_home + "/vouch";
  }
  if (const auto home = environment("HOME"); home.has_value() && !home->empty())
    return *home + "/.local/share/vouch";
  return absl::FailedPreconditionError(
      "there is no folder for the store: give --data DIR (HOME is not set)");
}

}  // namespace vouch
