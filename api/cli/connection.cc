#include "api/cli/connection.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "api/server.h"
#include "api/status.h"
#include "rag/deliver/hook_runner.h"

namespace vouch {
namespace {

class ServerConnection final : public Connection {
 public:
  explicit ServerConnection(const std::string& address) : address_(address) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }

  const std::shared_ptr<grpc::Channel>& channel() const override { return channel_; }
  bool embedded() const override { return false; }
  absl::Status Explain(const grpc::Status& status) const override {
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE) return FromGrpc(status);
    if (absl::StrContains(status.error_message(), "DNS resolution failed")) {
      return absl::UnavailableError(absl::StrCat("the host of the server ", address_,
                                                 " is not known (", status.error_message(), ")"));
    }
    if (!absl::StrContains(status.error_message(), "connect")) return FromGrpc(status);
    return absl::UnavailableError(absl::StrCat("no server answers at ", address_,
                                               "; is `vouch serve` running there? (",
                                               status.error_message(), ")"));
  }

 private:
  const std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
};

class EmbeddedConnection final : public Connection {
 public:
  EmbeddedConnection(std::unique_ptr<Database> database, ModelServerOptions model_server)
      : database_(std::move(database)),
        embedders_(std::move(model_server)),
        ledger_(database_->store().catalog(), database_->clock()) {}

  // Hooks are told of what the command did before it ends; what they do not take in time stays due.
  ~EmbeddedConnection() override {
    channel_.reset();
    server_.reset();
    if (hooks_ != nullptr) hooks_->Drain(kDrainTime);
  }

  absl::Status Start(const Config& config, Connection::Models models) {
    ServerOptions options;
    options.max_message_mb = static_cast<uint32_t>(config.max_message_mb);
    // A command that has no use for hooks does not read them.
    options.promotes = models.hook_rules.has_value() || (config.hooks.empty() && config.hook_urls.empty());
    if (models.hook_rules.has_value()) {
      absl::StatusOr<std::unique_ptr<HookRunner>> runner = HookRunner::Start(
          database_->store(), database_->clock(), std::move(models.hooks), *std::move(models.hook_rules));
      if (!runner.ok()) return runner.status();
      hooks_ = *std::move(runner);
    }
    if (models.route.has_value()) {
      absl::StatusOr<std::unique_ptr<ModelRoute>> route =
          ModelRoute::Create(*std::move(models.route), {.ledger = ledger_, .clock = database_->clock()});
      if (!route.ok()) return route.status();
      route_ = *std::move(route);
    }
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(options, *database_, embedders_, route_.get(), hooks_.get());
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    channel_ = server_->InProcessChannel();
    return absl::OkStatus();
  }

  const std::shared_ptr<grpc::Channel>& channel() const override { return channel_; }
  bool embedded() const override { return true; }
  absl::Status Explain(const grpc::Status& status) const override { return FromGrpc(status); }

 private:
  static constexpr std::chrono::seconds kDrainTime{5};

  std::unique_ptr<Database> database_;
  EmbedderRegistry embedders_;
  SpendLedger ledger_;
  std::unique_ptr<ModelRoute> route_;  // may be null
  std::unique_ptr<HookRunner> hooks_;  // may be null
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::ToServer(const Config& config) {
  return std::make_unique<ServerConnection>(config.server);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Embedded(const Config& config,
                                                                 const std::string& data_dir,
                                                                 bool create,
                                                                 const std::string& api_key,
                                                                 Models models) {
  if (!create) {
    absl::Status there = CheckStoreIn(
        data_dir,
        "`vouch ingest NAME PATH` makes one, --data names another folder, --server a server");
    if (!there.ok()) return there;
  }
  DatabaseOptions options = DatabaseOptionsOf(config, data_dir);
  options.create_if_missing = create;
  options.cross_encoders = std::move(models.rerankers);
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(std::move(options));
  if (!database.ok()) return ExplainOpen(database.status(), data_dir);
  auto connection = std::make_unique<EmbeddedConnection>(
      *std::move(database),
      ModelServerOptions{.base_url = config.model_server_base_url, .api_key = api_key});
  if (absl::Status status = connection->Start(config, std::move(models)); !status.ok()) return status;
  return connection;
}

DatabaseOptions DatabaseOptionsOf(const Config& config, const std::string& data_dir) {
  DatabaseOptions options;
  options.path = data_dir;
  options.background_threads = config.background_threads;
  options.batch_threads = config.batch_threads;
  options.block_cache_bytes = size_t{config.block_cache_mb} << 20;
  options.seal_rows = config.seal_rows;
  options.memory_limit_bytes = config.memory_limit;
  return options;
}

absl::Status CheckStoreIn(const std::string& data_dir, const std::string& hint) {
  std::error_code error;
  if (std::filesystem::exists(data_dir + "/store", error)) return absl::OkStatus();
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot look for a store in '", data_dir, "': ", error.message()));
  }
  return absl::NotFoundError(absl::StrCat("there is no store in '", data_dir, "'; ", hint));
}

absl::Status ExplainOpen(const absl::Status& status, const std::string& data_dir) {
  if (status.ok() || !absl::IsFailedPrecondition(status) ||
      !absl::StrContains(status.message(), "process")) {
    return status;
  }
  return absl::FailedPreconditionError(absl::StrCat(status.message(), ". If a server runs on '",
                                                    data_dir,
                                                    "', speak to it by --server HOST:PORT"));
}

}  // namespace vouch
