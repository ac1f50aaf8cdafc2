#pragma once

#include "absl/status/status.h"
#include "api/grpc/services.h"
#include "index/cancel.h"
#include "storage/principal.h"
#include "vouch/v1/spending.pb.h"

namespace vouch {

// Of the service Spending: what calls cost, and would have cost.
absl::Status FillCost(const ServiceContext& services, const Principal& principal, const CancelToken& cancel,
                      const v1::GetCostRequest& request, v1::CostReply* reply);
absl::Status FillRouteEstimate(const ServiceContext& services, const Principal& principal, const CancelToken& cancel,
                               const v1::EstimateRouteRequest& request, v1::RouteEstimateReply* reply);

}  // namespace vouch
