#include "api/cli/invocation.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "api/hook_file.h"
#include "api/reranker_file.h"
#include "api/route_file.h"
#include "api/server.h"
#include "rag/file_walker.h"

namespace vouch {
namespace {

constexpr char kUsagePayload[] = "vouch/usage";

}  // namespace

absl::Status UsageError(const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

absl::StatusOr<Config> Invocation::LoadSettings() const {
  ConfigSources sources;
  sources.flags = flags;
  sources.environment = environment_;
  sources.file_name = config_path.empty() ? environment_("VOUCH_CONFIG").value_or("") : config_path;
  if (!sources.file_name.empty()) {
    absl::StatusOr<std::string> text = ReadSource(sources.file_name);
    if (!text.ok()) {
      return UsageError(absl::StrCat("the configuration file: ", text.status().message()));
    }
    sources.file_text = *std::move(text);
  }
  absl::StatusOr<Config> config = LoadConfig(sources);
  if (!config.ok()) return UsageError(std::string(config.status().message()));
  return config;
}

absl::StatusOr<std::string> Invocation::DataDir(const Config& config) const {
  absl::StatusOr<std::string> data_dir = DataDirectory(config, environment_);
  std::error_code error;
  if (data_dir.ok() && std::filesystem::exists(*data_dir, error) &&
      !std::filesystem::is_directory(*data_dir, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", *data_dir, "' is a file; --data takes the folder of a store"));
  }
  return data_dir;
}

absl::StatusOr<Connection*> Invocation::Connect(Store store) {
  if (connection_ != nullptr) return connection_.get();
  absl::StatusOr<Config> config = LoadSettings();
  if (!config.ok()) return config.status();
  const ConfigOrigin server = config->OriginOf("server");
  const ConfigOrigin data = config->OriginOf("data");
  if (server == ConfigOrigin::kFlag && data == ConfigOrigin::kFlag) {
    return UsageError(
        "--server and --data were both given; a command speaks to a server or opens a store of its "
        "own");
  }
  absl::StatusOr<std::unique_ptr<Connection>> connection = absl::InternalError("");
  if (!config->server.empty() && server >= data) {
    if (absl::Status status = CheckAddress("server", config->server); !status.ok()) {
      return UsageError(std::string(status.message()));
    }
    connection = Connection::ToServer(*config);
  } else {
    absl::StatusOr<std::string> data_dir = DataDir(*config);
    if (!data_dir.ok()) return data_dir.status();
    const auto key = environment_(config->model_server_api_key_env);
    absl::StatusOr<std::optional<RouteSpec>> route = std::optional<RouteSpec>();
    if (uses_models) route = RouteOf(*config, environment_);
    if (!route.ok()) return UsageError(std::string(route.status().message()));
    absl::StatusOr<CrossEncoders> rerankers = CrossEncoders();
    if (uses_rerankers) rerankers = RerankersOf(*config, environment_);
    if (!rerankers.ok()) return UsageError(std::string(rerankers.status().message()));
    absl::StatusOr<std::vector<HookSpec>> hooks = std::vector<HookSpec>();
    if (uses_hooks) hooks = HooksOf(*config, environment_);
    if (!hooks.ok()) return UsageError(std::string(hooks.status().message()));
    absl::StatusOr<HookRules> rules = HookRules();
    if (uses_hooks) rules = HookRulesOf(*config, environment_);
    if (!rules.ok()) return UsageError(std::string(rules.status().message()));
    Connection::Models models{.route = *std::move(route), .rerankers = *std::move(rerankers), .hooks = *std::move(hooks)};
    if (uses_hooks) models.hook_rules = *std::move(rules);
    connection =
        Connection::Embedded(*config, *data_dir, store == Store::kCreate, key.value_or(""), std::move(models));
  }
  if (!connection.ok()) return connection.status();
  connection_ = *std::move(connection);
  return connection_.get();
}

void Invocation::Prepare(grpc::ClientContext& context) const {
  if (timeout_seconds <= 0) return;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(static_cast<int64_t>(timeout_seconds * 1000)));
}

}  // namespace vouch
