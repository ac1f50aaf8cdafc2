#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/stop_signal.h"
#include "api/gpu_settings.h"
#include "api/hook_file.h"
#include "api/http/http_server.h"
#include "api/metrics.h"
#include "api/reranker_file.h"
#include "api/route_file.h"
#include "api/server.h"
#include "api/version.h"
#include "query/database.h"
#include "query/offload.h"
#include "rag/deliver/hook_runner.h"
#include "rag/retention/maintenance.h"
#include "rag/telemetry/otlp_exporter.h"
#include "storage/filesystem.h"

namespace vouch {
namespace {

void SetUpLog(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("vouch");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  logger->set_level(spdlog::level::from_str(level == "error" ? "err" : level));
  spdlog::set_default_logger(std::move(logger));
}

absl::Status WritePortFile(const std::string& path, int port) {
  if (path.empty()) return absl::OkStatus();
  const std::string text = absl::StrCat(port, "\n");
  return Filesystem::System().ReplaceFile(path, {text});
}

// `http` may be null.
void Announce(const Invocation& invocation, const Server& server, const HttpServer* http,
              const std::string& data_dir) {
  if (invocation.json) {
    nlohmann::ordered_json line = {{"version", kProgramVersion},
                                   {"address", server.address()},
                                   {"port", server.port()},
                                   {"data", data_dir}};
    if (http != nullptr) line["http"] = http->address();
    Print(line.dump() + "\n");
  } else {
    Print(absl::StrCat("vouch ", kProgramVersion, " listens on ", server.address(),
                       " (data: ", data_dir, ")",
                       http == nullptr ? "" : ", HTTP on " + http->address(), "\n"));
  }
  std::fflush(stdout);
}

// Where one is wanted.
absl::StatusOr<std::unique_ptr<HttpServer>> StartHttp(const Config& config, Server& server) {
  HttpServerOptions options;
  options.listen = HttpListenOf(config);
  if (options.listen.empty()) return nullptr;
  options.max_message_mb = static_cast<uint32_t>(config.max_message_mb);
  options.connections = static_cast<uint32_t>(config.http_connections);
  return HttpServer::Start(options, server);
}

absl::Status RunServe(Invocation& invocation, const std::string& port_file) {
  absl::StatusOr<Config> config = invocation.LoadSettings();
  if (!config.ok()) return config.status();
  absl::StatusOr<std::string> data_dir = invocation.DataDir(*config);
  if (!data_dir.ok()) return data_dir.status();
  const auto environment = [&invocation](const std::string& name) {
    return invocation.Variable(name);
  };
  absl::StatusOr<std::optional<RouteSpec>> spec = RouteOf(*config, environment);
  if (!spec.ok()) return UsageError(std::string(spec.status().message()));
  absl::StatusOr<CrossEncoders> rerankers = RerankersOf(*config, environment);
  if (!rerankers.ok()) return UsageError(std::string(rerankers.status().message()));
  absl::StatusOr<std::vector<HookSpec>> hooks = HooksOf(*config, environment);
  if (!hooks.ok()) return UsageError(std::string(hooks.status().message()));
  absl::StatusOr<HookRules> hook_rules = HookRulesOf(*config, environment);
  if (!hook_rules.ok()) return UsageError(std::string(hook_rules.status().message()));
  absl::StatusOr<GpuSettings> gpu = GpuSettingsOf(*config);
  if (!gpu.ok()) return UsageError(std::string(gpu.status().message()));
  if (absl::Status status = CheckAddress("listen", config->listen); !status.ok()) {
    return UsageError(std::string(status.message()));
  }
  if (const std::string http = HttpListenOf(*config); !http.empty()) {
    if (absl::Status status = CheckAddress("http_listen", http); !status.ok())
      return UsageError(absl::StrCat(status.message(), "; off: no HTTP"));
  }
  OtlpOptions otlp;
  otlp.service_version = kProgramVersion;
  otlp.endpoint = config->telemetry_endpoint;
  if (otlp.endpoint.empty()) otlp.endpoint = invocation.Variable("OTEL_EXPORTER_OTLP_ENDPOINT").value_or("");
  if (const auto name = invocation.Variable("OTEL_SERVICE_NAME"); name && !name->empty()) otlp.service_name = *name;
  if (absl::Status status = CheckOtlpEndpoint(otlp.endpoint); !otlp.endpoint.empty() && !status.ok())
    return UsageError(absl::StrCat("telemetry.endpoint: ", status.message()));
  SetUpLog(config->log_level);
  StopSignal stop;

  // The address first: whoever looks after the server sees that it starts, and a wrong address
  // costs no opening of the store.
  ServerOptions options;
  options.listen = config->listen;
  options.max_message_mb = static_cast<uint32_t>(config->max_message_mb);
  options.request_threads = static_cast<uint32_t>(config->request_threads);
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Listen(options);
  if (!server.ok()) return server.status();
  absl::StatusOr<std::unique_ptr<HttpServer>> http = StartHttp(*config, **server);
  if (!http.ok()) return http.status();
  spdlog::info("bound to {}, opening the store in {}", (*server)->address(), *data_dir);
  DatabaseOptions store = DatabaseOptionsOf(*config, *data_dir);
  store.cross_encoders = *std::move(rerankers);
  store.warn = [](const std::string& message) { spdlog::warn("{}", message); };
  const auto warn = [](const std::string& message) { spdlog::warn("{}", message); };
  absl::StatusOr<std::unique_ptr<GpuDense>> gpus = OpenGpuDense(*std::move(gpu), warn);  // outlives the database
  if (!gpus.ok()) return gpus.status();
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(std::move(store));
  if (!database.ok()) return ExplainOpen(database.status(), *data_dir);
  if (*gpus != nullptr) UseOffloads(**database, gpus->get());
  EmbedderRegistry embedders(
      {.base_url = config->model_server_base_url,
       .api_key = invocation.Variable(config->model_server_api_key_env).value_or("")});
  SpendLedger ledger((*database)->store().catalog(), (*database)->clock());
  std::unique_ptr<ModelRoute> route;
  if (spec->has_value()) {
    ModelRoute::Dependencies dependencies{.ledger = ledger, .clock = (*database)->clock()};
    dependencies.on_attempt = [&metrics = (*server)->metrics()](const ModelAttempt& attempt,
                                                                const RouteSpec& asked) {
      metrics.CountModelTry(attempt, asked.prices.currency);
    };
    absl::StatusOr<std::unique_ptr<ModelRoute>> made =
        ModelRoute::Create(**std::move(spec), std::move(dependencies));
    if (!made.ok()) return made.status();
    route = *std::move(made);
  }
  std::unique_ptr<OtlpExporter> tracer;
  if (otlp.endpoint.empty()) {
    spdlog::debug("no telemetry.endpoint: no spans are sent");
  } else {
    otlp.count = [&metrics = (*server)->metrics()](uint64_t exported, uint64_t dropped) {
      metrics.CountSpans(exported, dropped);
    };
    absl::StatusOr<std::unique_ptr<OtlpExporter>> exporter = OtlpExporter::Create(std::move(otlp));
    if (!exporter.ok()) return exporter.status();
    tracer = *std::move(exporter);
  }
  // Also where there are none: some may be applied, or were.
  absl::StatusOr<std::unique_ptr<HookRunner>> runner =
      HookRunner::Start((*database)->store(), (*database)->clock(), *std::move(hooks), *std::move(hook_rules));
  if (!runner.ok()) return runner.status();
  stop.Arm();
  (*server)->Open(**database, embedders, route.get(), tracer.get(), runner->get());
  (*server)->Watch([](const std::string& message) { spdlog::warn("{}", message); });
  Announce(invocation, **server, http->get(), *data_dir);
  if (absl::Status status = WritePortFile(port_file, (*server)->port()); !status.ok()) {
    (*server)->Shutdown(absl::ZeroDuration());  // it uses what was made after it
    http->reset();
    return absl::Status(status.code(), absl::StrCat("--port-file: ", status.message()));
  }

  std::unique_ptr<MaintenanceJob> maintenance;
  if (config->maintenance_seconds > 0) {
    maintenance = std::make_unique<MaintenanceJob>(**database, std::chrono::seconds(config->maintenance_seconds),
                                                   [](const std::string& message) { spdlog::warn("{}", message); });
  }

  const int signal = stop.Await();
  spdlog::info("got signal {}, finishing what runs, for at most {} s", signal,
               config->drain_seconds);
  (*server)->Shutdown(absl::Seconds(static_cast<int64_t>(config->drain_seconds)));
  http->reset();
  maintenance.reset();
  tracer.reset();  // sends what waits, and counts it
  server->reset();
  runner->reset();
  database->reset();
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace

void AddServeCommand(CLI::App& app, Invocation& invocation) {
  auto port_file = std::make_shared<std::string>();
  CLI::App* command = AddCommand(
      app, invocation, CommandKind::kServer,
      {"serve", "Serve a store over gRPC and HTTP until SIGTERM or SIGINT",
       "  vouch serve --data /var/lib/vouch --listen 127.0.0.1:7700\n"
       "Every setting is also a key of the YAML file (seal_rows) and an environment variable\n"
       "(VOUCH_SEAL_ROWS); a flag beats the variable, which beats the file."},
      [&invocation, port_file] { return RunServe(invocation, *port_file); });
  command->add_option("--port-file", *port_file, "writes the port there once calls are served")
      ->type_name("FILE");
}

}  // namespace vouch
