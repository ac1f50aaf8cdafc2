#pragma once

#include <memory>

#include "api/grpc/services.h"

namespace vouch {

// The service Records, as the other services: translation and limits only. Thread safe.
std::unique_ptr<grpc::Service> NewRecordsService(const ServiceContext& context);

}  // namespace vouch
