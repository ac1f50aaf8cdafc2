#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/grpc/call_gate.h"
#include "query/database.h"
#include "rag/embed/embedder_registry.h"
#include "rag/llm/model_route.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace vouch {

class HookRunner;
class Metrics;

// What the services work on; lives longer than they do. All but the gate is set before the gate
// opens, and read only by calls that it let in.
struct ServiceContext {
  Database* database = nullptr;
  EmbedderRegistry* embedders = nullptr;
  ModelRoute* route = nullptr;  // null: answers are quoted
  HookRunner* hooks = nullptr;  // null: there are none
  int64_t started_us = 0;
  CallGate* gate = nullptr;
  Metrics* metrics = nullptr;  // set before the gate, like the gate
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
std::unique_ptr<grpc::Service> NewEvaluationService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewAdminService(const ServiceContext& context);

}  // namespace vouch
