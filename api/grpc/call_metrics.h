#pragma once

#include <memory>
#include <vector>

#include <grpcpp/support/server_interceptor.h>

#include "api/metrics.h"

namespace vouch {

// Counts every call of the server, from its head to its status. `metrics` outlives the server.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> CallMetrics(
    Metrics& metrics);

}  // namespace vouch
