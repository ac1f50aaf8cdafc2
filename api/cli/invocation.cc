#include "api/cli/invocation.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "api/route_file.h"

namespace vouch {
namespace {

constexpr char kUsagePayload[] = "vouch/usage";

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return absl::NotFoundError(absl::StrCat("the configuration file '", path, "' cannot be read"));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

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
    absl::StatusOr<std::string> text = ReadConfigFile(sources.file_name);
    if (!text.ok()) return text.status();
    sources.file_text = *std::move(text);
  }
  absl::StatusOr<Config> config = LoadConfig(sources);
  if (!config.ok()) return UsageError(std::string(config.status().message()));
  return config;
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
    connection = Connection::ToServer(*config);
  } else {
    absl::StatusOr<std::string> data_dir = DataDir(*config);
    if (!data_dir.ok()) return data_dir.status();
    const auto key = environment_(config->model_server_api_key_env);
    absl::StatusOr<std::optional<RouteSpec>> route = std::optional<RouteSpec>();
    if (uses_models) route = RouteOf(*config, environment_);
    if (!route.ok()) return UsageError(std::string(route.status().message()));
    connection = Connection::Embedded(*config, *data_dir, store == Store::kCreate, key.value_or(""),
                                      *std::move(route));
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
