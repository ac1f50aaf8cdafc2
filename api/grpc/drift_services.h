#pragma once

#include <memory>

#include "api/grpc/services.h"
#include "rag/drift/drift_monitor.h"

namespace vouch {

// Drift monitors, as the other services: translation and limits only. Thread safe.
std::unique_ptr<grpc::Service> NewDriftService(const ServiceContext& context);

// The monitor that counts its looks and starts evaluations and migrations by the server's models.
// `context` must outlive it, and be set.
DriftMonitor MakeDriftMonitor(const ServiceContext& context);

}  // namespace vouch
