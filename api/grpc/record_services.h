#pragma once

#include <memory>

#include "api/grpc/services.h"

namespace vouch {

// Records and Exports, as the other services: translation and limits only. Thread safe.
std::unique_ptr<grpc::Service> NewRecordsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewExportsService(const ServiceContext& context);

}  // namespace vouch
