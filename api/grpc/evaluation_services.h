#pragma once

#include <memory>

#include "api/grpc/services.h"

namespace vouch {

// Datasets and evaluations, as the other services: translation and limits only. Thread safe.
std::unique_ptr<grpc::Service> NewDatasetsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewEvaluationsService(const ServiceContext& context);
std::unique_ptr<grpc::Service> NewCalibrationService(const ServiceContext& context);

struct EvaluationApiLimits {
  static constexpr uint32_t kMaxEvaluations = 1'000;
  static constexpr uint32_t kDefaultEvaluations = 20;
  static constexpr uint32_t kMaxWorstQuestions = 100'000;
  static constexpr uint32_t kDefaultWorstQuestions = 10;
  static constexpr int kMaxComparedMetrics = 27;
};

}  // namespace vouch
