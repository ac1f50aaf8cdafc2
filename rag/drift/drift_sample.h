#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/collection.h"
#include "rag/drift/drift_spec.h"
#include "rag/eval/drift_window.h"
#include "storage/principal.h"

namespace vouch {

// A question of a kept answer.
struct AskedQuestion {
  std::string answer = {};  // id
  std::string text = {};
  int64_t time_us = 0;
};

// Questions that users asked of a collection, or by the pipeline where one is named, after a time;
// the latest first, at most `limit`. What evaluations asked is left out. Of `kMaxScanned` answers.
inline constexpr uint64_t kMaxScannedAnswers = 20'000;
absl::StatusOr<std::vector<AskedQuestion>> LatestQuestions(Store& store, std::string_view tenant,
                                                           std::string_view collection,
                                                           std::string_view pipeline,
                                                           int64_t after_us, size_t limit);

// Rows that lie evenly in a range and are visible at a version, one of each document at most: the
// chunks of a document are alike, and would count as more than they are.
struct SampledRows {
  std::vector<uint64_t> rows = {};
  std::vector<std::string> points = {};  // their ids
  DriftPoints vectors = {};
};
absl::StatusOr<SampledRows> SampleRows(Collection& collection, size_t dense_field, RowRange range,
                                       Version at, size_t limit, const CancelToken& cancel);

// The score of each point's nearest row; the least of all, less one,
// where the point finds nothing.
absl::StatusOr<std::vector<double>> BestScores(const Collection& collection,
                                               const std::string& field, const DriftPoints& points,
                                               Version at, const Principal& principal,
                                               const CancelToken& cancel);

// For each point that finds anything, the share of its k nearest rows that approximate search finds.
inline constexpr uint32_t kRecallK = 10;
absl::StatusOr<std::vector<double>> SampleRecall(const Collection& collection,
                                                 const std::string& field,
                                                 const DriftPoints& points, Version at,
                                                 const Principal& principal,
                                                 const CancelToken& cancel);

}  // namespace vouch
