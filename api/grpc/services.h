#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/grpc/call_gate.h"
#include "query/database.h"
#include "rag/embed/embedder_registry.h"
#include "rag/answer_cache.h"
#include "rag/llm/tenant_routes.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace vouch {

class ExperimentRunner;
class HookRunner;
class Metrics;
class Tracer;

// What the services work on; lives longer than they do. All but the gate is set before the gate
// opens, and read only by calls that it let in.
struct ServiceContext {
  Database* database = nullptr;
  Database* writes = nullptr;  // what callers write by: `database`, behind hooks where one wants that
  EmbedderRegistry* embedders = nullptr;
  TenantRoutes* routes = nullptr;
  AnswerCache* cache = nullptr;
  HookRunner* hooks = nullptr;  // null: there are none
  int64_t started_us = 0;
  Tracer* tracer = nullptr;     // null: nobody takes spans
  CallGate* gate = nullptr;
  Metrics* metrics = nullptr;  // set before the gate, like the gate
  ExperimentRunner* experiments = nullptr;

  // The models of a tenant's questions; null: answers are quoted.
  absl::StatusOr<std::shared_ptr<ModelRoute>> RouteFor(const std::string& tenant) const {
    return routes->For(tenant);
  }
};

// One gRPC service each: translation and limits only. Thread safe.
std::unique_ptr<grpc::Service> NewCollectionsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewPointsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewSearchService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewDocumentsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewAnswersService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewEmbeddingsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewLineageService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewMigrationsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewPipelinesService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewRoutesService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewSpendingService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewEvaluationService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewAdminService(const ServiceContext& context);

}  // namespace vouch
