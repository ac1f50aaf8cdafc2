#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"
#include "rag/fusion_settings.h"

namespace vouch {

struct FusionTuningRequest {
  static constexpr uint32_t kMinFolds = 2;
  static constexpr uint32_t kMaxFolds = 20;

  std::vector<EvaluationQuery> queries;
  Qrels qrels;
  uint32_t folds = 5;
  ReadAt at;
  Principal principal;
  CancelToken cancel;
};

// One fold of the cross-validation: its queries were fused by what the other folds' queries chose.
struct FusionFold {
  uint64_t queries = 0;
  FusionSettings chosen;
  // Means of nDCG@10 over the fold's queries.
  double tuned = 0;
  double text = 0;
  double dense = 0;
  double standard = 0;
};

struct FusionTuning {
  std::vector<FusionFold> folds;
  TunedFusion result;  // chosen on all queries; its figures are those of the folds together
};

// Runs each judged query under every candidate (FusionCandidates) and learns weights by nDCG@10. A
// query's fold is the hash of its id, so that it does not depend on the others.
//
// A choice on a set of queries starts from the better leg, or from the default where that has the
// higher mean, and moves to the candidate of the highest ShrunkGain over it, if there is one above
// 0; to the first of equal ones. What is learned is the mean (MeanFusion) of the choices on
// kResamples bootstrap samples of the queries (Breiman, "Bagging predictors", 1996): few queries
// say little about which of many alike candidates is best, and a mean of good ones varies less than
// the best of them. The samples are seeded.
//
// INVALID_ARGUMENT: fewer judged queries than folds; FAILED_PRECONDITION: the collection lacks a
// leg.
absl::StatusOr<FusionTuning> TuneFusion(Collection& collection, EmbedderRegistry& embedders,
                                        const FusionTuningRequest& request,
                                        const std::function<void(double)>& progress);

// What is compared: the text leg, the dense leg and mixtures of both, each with and without
// feedback and phrases; z-scores by reliability. The first two are the legs, the third is the
// default.
std::vector<FusionSettings> FusionCandidates();

// mean - standard error of the mean: what is left of a candidate's mean gain where chance gave it
// one standard error.
double ShrunkGain(const std::vector<double>& gains);

// z-scores by reliability, weighted by the mean over the choices of each leg's share in the sum of
// all legs' weights: the mean of the choices' scores. Weights are in hundredths; the greater of the
// two legs' is 1. At least one choice.
FusionSettings MeanFusion(const std::vector<FusionSettings>& choices);

// Commits that hybrid retrieval is fused so from the commit's version on; returns that version.
absl::StatusOr<Version> StoreFusion(Collection& collection, const TunedFusion& tuned,
                                    const Principal& principal);
// Commits that the default holds again. NOT_FOUND where no tuned fusion holds.
absl::StatusOr<Version> RemoveFusion(Collection& collection, const Principal& principal);

}  // namespace vouch
