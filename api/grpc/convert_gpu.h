#pragma once

#include <string>

#include "query/database.h"

namespace vouch {

namespace v1 {
class GpuReply;
}  // namespace v1

// What GPUs hold and did for the database; columns and times of the tenant.
void FillGpu(const Database& database, const std::string& tenant, v1::GpuReply* reply);

}  // namespace vouch
