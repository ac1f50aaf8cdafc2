#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/database.h"
#include "rag/answer.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/interval.h"

namespace vouch {

// What one question of a calibration came to, without a threshold.
struct CalibrationSample {
  bool answered = false;  // a model gave an answer that could be given
  double score = 0;       // its grounding
  bool wrong = false;     // of an answered one: to answer what has no answer is wrong, too
};

// Answers with a score below `threshold` are withdrawn.
struct CalibrationPoint {
  double threshold = 0;
  uint64_t answered = 0;
  uint64_t wrong = 0;
  double coverage = 0;  // answered / all
  double risk = 0;      // wrong / answered; 0 where nothing is
};

struct CalibrationTarget {
  // One of them is set.
  std::optional<double> risk = {};      // at most, in (0, 1)
  std::optional<double> coverage = {};  // at least, in (0, 1]
  double confidence = 0.95;             // in (0, 1)
};

struct CalibrationChoice {
  bool met = false;
  CalibrationPoint chosen = {};  // where none meets the target: the nearest to it
  // Upper bound on the risk at `chosen` that holds with the confidence, although it was chosen among
  // several.
  double risk_bound = 1;
  Interval risk = {};      // Clopper and Pearson's, of the point alone
  Interval coverage = {};  // likewise
};

// Risk and coverage at each score that was reached, ascending, with threshold 0 first.
std::vector<CalibrationPoint> RiskCoverageCurve(const std::vector<CalibrationSample>& samples);

// A threshold for the target, from samples that are exchangeable with the questions to come.
// - risk: the most coverage whose risk is below the target with the confidence, by the method of
//   Geifman and El-Yaniv (Selective Classification for Deep Neural Networks, NeurIPS 2017, algorithm
//   SGR): a binary search over the curve, in which each of the at most K = ceil(log2(points)) + 1
//   thresholds tried gets an exact binomial bound (Clopper and Pearson) at (1 - confidence) / K.
// - coverage: the highest threshold that answers so much.
// INVALID_ARGUMENT: the target. FAILED_PRECONDITION: no samples.
absl::StatusOr<CalibrationChoice> ChooseThreshold(const std::vector<CalibrationSample>& samples,
                                                  const CalibrationTarget& target);

struct CalibrationOptions {
  static constexpr uint32_t kMaxParallel = 32;

  uint32_t parallel = 2;  // questions at a time, 1 … kMaxParallel; the result does not depend on it
  CancelToken cancel = {};
  std::function<void(double)> progress = nullptr;  // from any of the threads, one at a time
};

struct CalibrationRun {
  std::vector<CalibrationSample> samples = {};
  uint64_t unanswerable = 0;  // of the samples
  uint64_t skipped = 0;       // questions without a reference: nobody knows what is right
  uint64_t errors = 0;        // that could not be asked, or that no model answered
};

// Asks the dataset's questions as `request` says (its pipeline, version, principal, models), without
// a threshold and without the cache. An answer is right where it has half of a reference's words
// (kCorrectF1) or the whole reference in it, word for word. Answers are kept like others. An error
// where the request ended, or the money is spent.
absl::StatusOr<CalibrationRun> RunCalibration(Database& database, EmbedderRegistry& embedders,
                                              const AskRequest& request, const Dataset& dataset,
                                              const CalibrationOptions& options);

}  // namespace vouch
