#pragma once

#include <memory>

#include "api/grpc/services.h"
#include "rag/deliver/gate.h"
#include "rag/deliver/promoter.h"
#include "rag/deliver/slo_status.h"
#include "rag/deliver/spec_store.h"
#include "vouch/v1/delivery.pb.h"

namespace vouch {

// Delivery, experiments, feedback, hooks and the audit log, as the other services: translation and limits only. Thread
// safe.
std::unique_ptr<grpc::Service> NewDeliveryService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewHooksService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewAuditService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewExperimentsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewFeedbackService(const ServiceContext& context);

// Messages to specifications, defaults filled in, and back.
GateSpec GateSpecOf(const v1::GateSpec& message);
absl::StatusOr<SloSpec> SloSpecOf(const v1::SloSpec& message);
absl::Status FillGate(const SpecVersion& version, v1::Gate* message);
absl::Status FillSlo(const SpecVersion& version, v1::Slo* message);
void FillSloStatus(const SloStatus& status, v1::Slo* message);
void FillPromotion(const Promotion& promotion, v1::Promotion* message);

}  // namespace vouch
