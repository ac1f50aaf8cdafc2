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

// Which questions: those that users asked of a collection, or by the pipeline where one is named.
inline constexpr uint64_t kMaxScannedAnswers = 20'000;
struct QuestionRange {
  std::string tenant = {};
  std::string collection = {};
  std::string pipeline = {};
  // Only of answers that were kept after this one, by its id; empty: of all. Not a time: answers lie
  // in the order in which they were kept, which no setting of a clock moves.
  std::string after = {};
  size_t limit = 0;
  uint64_t max_scanned = kMaxScannedAnswers;  // answers of the tenant that are read for them
};
struct AskedQuestions {
  std::vector<AskedQuestion> questions = {};  // the latest first
  std::string newest = {};  // id of the tenant's latest answer, whatever it answers; empty: none
  bool cut_off = false;     // max_scanned were read, and there may be more before them
};
// What evaluations asked is left out, and answers that nobody got (shadows of experiments).
absl::StatusOr<AskedQuestions> LatestQuestions(Store& store, const QuestionRange& range,
                                               const CancelToken& cancel);

// Rows that lie evenly in a range and are visible at a version, one of each document at most: the
// chunks of a document are alike, and would count as more than they are.
struct SampledRows {
  std::vector<uint64_t> rows = {};
  std::vector<std::string> points = {};     // their ids
  std::vector<std::string> documents = {};  // theirs by id, or points without one
  DriftPoints vectors = {};
  // Of so many rows that more of them would hardly bring more documents.
  bool cut_off = false;
};
absl::StatusOr<SampledRows> SampleRows(Collection& collection, size_t dense_field, RowRange range,
                                       Version at, size_t limit, const CancelToken& cancel);
// Those of the rows whose content was erased.
absl::StatusOr<std::vector<uint64_t>> ErasedRows(Collection& collection,
                                                 const std::vector<uint64_t>& rows);

// Words of questions, by the language of the collection's first text field, else English. For those of a reference the
// answers that it names are read, so that it keeps no text; answers that are not there are left out.
absl::StatusOr<std::vector<DriftWords>> WordsOfQuestions(const Collection& collection, const std::vector<AskedQuestion>& questions,
                                                         const CancelToken& cancel);
absl::StatusOr<std::vector<DriftWords>> WordsOfAnswers(Collection& collection, const std::string& tenant,
                                                       const std::vector<std::string>& answers, const CancelToken& cancel);

// The score of each point's nearest row; the least of all, less one,
// where the point finds nothing.
absl::StatusOr<std::vector<double>> BestScores(const Collection& collection,
                                               const std::string& field, const DriftPoints& points,
                                               Version at, const Principal& principal,
                                               const CancelToken& cancel);

// For each point that finds anything, the share of its k nearest rows that approximate search finds.
inline constexpr uint32_t kRecallK = 10;
struct PointRecall {
  size_t point = 0;  // its place
  double recall = 0;
};
absl::StatusOr<std::vector<PointRecall>> SampleRecall(const Collection& collection,
                                                      const std::string& field,
                                                      const DriftPoints& points, Version at,
                                                      const Principal& principal,
                                                      const CancelToken& cancel);

}  // namespace vouch
