#include "api/server.h"

#include <google/protobuf/descriptor.h>
#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/resource_quota.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/grpc/call_metrics.h"
#include "api/grpc/convert.h"
#include "api/grpc/delivery_services.h"
#include "api/grpc/drift_services.h"
#include "api/grpc/evaluation_services.h"
#include "api/grpc/record_services.h"
#include "api/grpc/services.h"
#include "api/metrics.h"
#include "rag/deliver/budget_monitor.h"
#include "rag/deliver/commit_hooks.h"
#include "rag/deliver/experiment_runner.h"
#include "rag/deliver/slo_monitor.h"
#include "rag/deliver/watch_job.h"
#include "rag/forget/forget.h"

namespace vouch {
namespace {

// Splits "HOST:PORT" and "[::1]:PORT".
absl::Status ParseAddress(std::string_view setting, const std::string& address, std::string* host) {
  const std::string what = absl::StrCat(std::string(setting), " is '", address, "'; ");
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65'535) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, "it takes HOST:PORT with a port of 0 to 65535, as 127.0.0.1:7700"));
  }
  *host = address.substr(0, colon);
  if (host->find(':') != std::string::npos && host->front() != '[') {
    return absl::InvalidArgumentError(
        absl::StrCat(what, "an IPv6 address stands in brackets, as [::1]:7700"));
  }
  return absl::OkStatus();
}

// "vouch.v1.Search/Search" of the services.
std::vector<std::string> MethodsOf(const std::vector<std::string>& services) {
  std::vector<std::string> methods;
  for (const std::string& name : services) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; service != nullptr && i < service->method_count(); ++i) {
      methods.push_back(absl::StrCat(name, "/", service->method(i)->name()));
    }
  }
  return methods;
}

class GrpcServer final : public Server {
 public:
  explicit GrpcServer(uint32_t running_calls) : gate_(running_calls) {
    context_.gate = &gate_;
    Add("Collections", NewCollectionsService(context_));
    Add("Points", NewPointsService(context_));
    Add("Search", NewSearchService(context_));
    Add("Documents", NewDocumentsService(context_));
    Add("Answers", NewAnswersService(context_));
    Add("Embeddings", NewEmbeddingsService(context_));
    Add("Lineage", NewLineageService(context_));
    Add("Migrations", NewMigrationsService(context_));
    Add("Pipelines", NewPipelinesService(context_));
    Add("Routes", NewRoutesService(context_));
    Add("Spending", NewSpendingService(context_));
    Add("Calibration", NewCalibrationService(context_));
    Add("Evaluation", NewEvaluationService(context_));
    Add("Datasets", NewDatasetsService(context_));
    Add("Evaluations", NewEvaluationsService(context_));
    Add("Records", NewRecordsService(context_));
    Add("Exports", NewExportsService(context_));
    Add("Delivery", NewDeliveryService(context_));
    Add("Drift", NewDriftService(context_));
    Add("Experiments", NewExperimentsService(context_));
    Add("Feedback", NewFeedbackService(context_));
    Add("Hooks", NewHooksService(context_));
    Add("Audit", NewAuditService(context_));
    Add("Admin", NewAdminService(context_));
    metrics_ = std::make_unique<Metrics>(MethodsOf(services()));
    context_.metrics = metrics_.get();
  }
  ~GrpcServer() override { Shutdown(absl::ZeroDuration()); }

  absl::Status Start(const ServerOptions& options) {
    static std::once_flag plugins;
    std::call_once(plugins, [] {
      grpc::EnableDefaultHealthCheckService(true);
      grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    });
    grpc::ServerBuilder builder;
    promotes_ = options.promotes;
    if (!options.listen.empty()) {
      absl::Status status = ParseAddress("listen", options.listen, &host_);
      if (!status.ok()) return status;
      builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port_);
      // Otherwise two servers would share a port in silence, each getting some of the calls.
      builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    }
    const int message_bytes = static_cast<int>(options.max_message_mb) << 20;
    builder.SetMaxReceiveMessageSize(message_bytes);
    builder.SetMaxSendMessageSize(message_bytes);
    // The gate refuses what is over the limit; the threads beyond it are those that refuse.
    builder.SetResourceQuota(grpc::ResourceQuota("vouch").SetMaxThreads(
        static_cast<int>(options.request_threads) + kPollers));
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 2);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, kPollers);
    builder.experimental().SetInterceptorCreators(CallMetrics(*metrics_));
    for (const auto& [name, service] : services_) builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || (!options.listen.empty() && port_ == 0)) {
      return absl::UnavailableError(absl::StrCat(
          "cannot listen on ", options.listen, ": ", WhyNotListen(options.listen),
          "; choose another address by --listen (port 0 lets the system choose)"));
    }
    SetHealth(false);
    return absl::OkStatus();
  }

  void Open(Database& database, EmbedderRegistry& embedders, ModelRoute* route, Tracer* tracer,
            HookRunner* hooks) override {
    context_.tracer = tracer;
    context_.hooks = hooks;
    context_.database = &database;
    if (hooks != nullptr) asking_ = AskBeforeCommits(database, *hooks);
    context_.writes = asking_ == nullptr ? &database : asking_.get();
    context_.embedders = &embedders;
    routes_.emplace(route, database.store().catalog());
    context_.routes = &*routes_;
    cache_.emplace(database.clock());
    context_.cache = &*cache_;
    context_.started_us = database.clock().NowMicros();
    // What a stop interrupted is done before anybody may read it. What fails is tried again at the next start, or by a call.
    ResumeForgetting(database).IgnoreError();
    experiments_.emplace(ExperimentRunner::Dependencies{
        .database = database,
        .embedders = embedders,
        .route = [this](const std::string& tenant) { return context_.RouteFor(tenant); },
        .tree = PipelineTrees(embedders),
        .hooks = hooks,
        .may_promote = promotes_,
        .warn = [this](const std::string& message) { Warn(message); }});
    context_.experiments = &*experiments_;
    gate_.Open();
    SetHealth(true);
  }

  void Watch(std::function<void(const std::string&)> warn) override {
    std::vector<std::string> unsaid;
    {
      const std::lock_guard<std::mutex> lock(warn_mu_);
      warn_ = warn;
      unsaid = std::exchange(unsaid_, {});
    }
    for (const std::string& message : unsaid) warn(message);
    Database& database = *context_.database;
    const auto limits_of = [this](const std::string& tenant) -> absl::StatusOr<SpendLimits> {
      const absl::StatusOr<std::shared_ptr<ModelRoute>> route = context_.RouteFor(tenant);
      if (!route.ok()) return route.status();
      return *route == nullptr ? SpendLimits() : (*route)->spec().limits;
    };
    figures_watch_ = std::make_unique<WatchJob>(
        kWatchEvery, [&database, limits_of, warn](const CancelToken& cancel) {
          for (const absl::Status& status :
               {SloMonitor(database.store(), database.clock()).Look(cancel),
                BudgetMonitor(database.store(), database.clock(), limits_of).Look(cancel)}) {
            if (!status.ok() && !absl::IsCancelled(status)) warn(std::string(status.message()));
          }
        }, warn);
    drift_watch_ = std::make_unique<WatchJob>(kWatchEvery, [this, warn](const CancelToken& cancel) {
      MakeDriftMonitor(context_).LookAtDue(cancel, warn);
    }, warn);
    // Apart from looks: an evaluation that an alarm starts may take an hour.
    drift_actions_ = std::make_unique<WatchJob>(kWatchEvery, [this, warn](const CancelToken& cancel) {
      MakeDriftMonitor(context_).TakeDue(cancel, warn);
    }, warn);
  }

  int port() const override { return port_; }
  std::string address() const override { return absl::StrCat(host_, ":", port_); }
  std::vector<std::string> services() const override {
    std::vector<std::string> names;
    for (const auto& [name, service] : services_) names.push_back(name);
    return names;
  }
  bool ready() const override { return gate_.open(); }
  Metrics& metrics() override { return *metrics_; }
  std::string RenderMetrics() override {
    return metrics_->Render(gate_.open() ? context_.database : nullptr);
  }
  std::shared_ptr<grpc::Channel> InProcessChannel() override {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    return server_->InProcessChannel(arguments);
  }

  void Shutdown(absl::Duration grace) override {
    if (server_ == nullptr) return;
    SetHealth(false);
    gate_.Close();
    // From here on, however long the jobs take to notice that they are to end.
    const absl::Time deadline = absl::Now() + grace;
    figures_watch_.reset();
    drift_watch_.reset();
    drift_actions_.reset();
    // While calls still run, the gate refuses those that come and says why; gRPC's own end would
    // cancel them.
    while (gate_.running() > 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(2));
    server_->Shutdown(absl::ToChronoTime(deadline));
    server_->Wait();
    server_.reset();
    experiments_.reset();
  }

 private:
  // Threads that wait for calls; a call keeps its thread, and another takes its place. More of them
  // serve a burst some 15 % faster and a lone caller 40 µs slower, as calls then wander over
  // threads whose caches are cold.
  static constexpr int kPollers = 4;
  static constexpr std::chrono::seconds kWatchEvery{60};
  static constexpr size_t kMaxUnsaid = 100;

  // Of what runs from the opening on. Before Watch nobody hears it, and some of it is kept until then.
  void Warn(const std::string& message) {
    std::function<void(const std::string&)> warn;
    {
      const std::lock_guard<std::mutex> lock(warn_mu_);
      warn = warn_;
      if (!warn && unsaid_.size() < kMaxUnsaid) unsaid_.push_back(message);
    }
    if (warn) warn(message);
  }

  void Add(const std::string& name, std::unique_ptr<grpc::Service> service) {
    services_.emplace_back("vouch.v1." + name, std::move(service));
  }

  void SetHealth(bool serving) {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    if (health == nullptr) return;
    for (const auto& [name, service] : services_) health->SetServingStatus(name, serving);
    health->SetServingStatus(serving);  // the server as a whole
  }

  CallGate gate_;
  ServiceContext context_;
  bool promotes_ = true;
  std::mutex warn_mu_;
  std::function<void(const std::string&)> warn_;  // guarded by warn_mu_, as the next; may be empty
  std::vector<std::string> unsaid_;
  // Made when it opens.
  std::optional<TenantRoutes> routes_;
  std::optional<AnswerCache> cache_;
  std::optional<ExperimentRunner> experiments_;
  std::unique_ptr<Database> asking_;  // null: no hook is asked before commits
  std::unique_ptr<Metrics> metrics_;
  std::vector<std::pair<std::string, std::unique_ptr<grpc::Service>>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<WatchJob> figures_watch_;  // null: it does not watch, as the next two
  std::unique_ptr<WatchJob> drift_watch_;
  std::unique_ptr<WatchJob> drift_actions_;
  std::string host_;
  int port_ = 0;
};

}  // namespace

absl::Status CheckAddress(std::string_view setting, const std::string& address) {
  std::string host;
  return ParseAddress(setting, address, &host);
}

HostAndPort SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostAndPort split{.host = address.substr(0, colon)};
  const bool brackets = split.host.front() == '[' && split.host.back() == ']';
  if (brackets) split.host = split.host.substr(1, split.host.size() - 2);
  (void)absl::SimpleAtoi(address.substr(colon + 1), &split.port);
  return split;
}

// gRPC keeps the system's reason to itself, and so does cpp-httplib.
std::string WhyNotListen(const std::string& address) {
  const std::string name = SplitAddress(address).host;
  const std::string port = address.substr(address.rfind(':') + 1);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(name.c_str(), port.c_str(), &hints, &found); error != 0) {
    return absl::StrCat("the host '", name, "' is not known (", ::gai_strerror(error), ")");
  }
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  int error = fd < 0 ? errno : 0;
  // As gRPC does it, so that a port in its last seconds of a closed connection counts as free.
  if (error == 0) (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (error == 0 && ::bind(fd, found->ai_addr, found->ai_addrlen) != 0) error = errno;
  if (error == 0 && ::listen(fd, 1) != 0) error = errno;
  if (fd >= 0) ::close(fd);
  ::freeaddrinfo(found);
  if (error == EADDRINUSE) return "another program, perhaps another `vouch serve`, listens there";
  if (error == EADDRNOTAVAIL) return absl::StrCat("'", name, "' is no address of this machine");
  if (error == EACCES) return absl::StrCat("this user may not listen on port ", port);
  return error == 0 ? "it was in use a moment ago" : std::string(std::strerror(error));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Listen(const ServerOptions& options) {
  auto server = std::make_unique<GrpcServer>(options.request_threads);
  if (absl::Status status = server->Start(options); !status.ok()) return status;
  return server;
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      Database& database,
                                                      EmbedderRegistry& embedders,
                                                      ModelRoute* route, HookRunner* hooks) {
  absl::StatusOr<std::unique_ptr<Server>> server = Listen(options);
  if (server.ok()) (*server)->Open(database, embedders, route, nullptr, hooks);
  return server;
}

}  // namespace vouch
