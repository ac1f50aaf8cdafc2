#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/interval.h"
#include "rag/eval/question_score.h"

namespace vouch {

// One measure over questions.
struct MetricSummary {
  std::string name = {};
  uint64_t count = 0;    // questions with a number
  uint64_t missing = 0;  // without one: counted, not averaged
  double mean = 0;       // NaN where count is 0
  Interval interval = {};  // 95 %, BCa bootstrap over questions; NaN below two
};

// The questions of a tag.
struct SliceSummary {
  std::string tag = {};
  uint64_t questions = 0;
  std::vector<MetricSummary> metrics = {};
};

// One evaluation: what was run at which versions, and what came out. The same questions at the same
// versions give the same figures, latency apart.
struct EvaluationRecord {
  std::string id = {};  // UUIDv7
  bool finished = false;
  int64_t created_us = 0;
  int64_t finished_us = 0;  // 0: not yet
  std::string dataset = {};
  uint32_t dataset_version = 0;
  std::string dataset_hash = {};
  std::string collection = {};
  uint64_t version = 0;  // of the collection
  std::string mode = {};
  std::string answers = {};  // AnswerKindName
  uint32_t depth = 0;
  uint32_t context_chunks = 0;
  std::string embedder = {};
  std::string fusion = {};
  std::string generator = {};
  std::string pipeline = {};       // "support@2"; empty: the collection by `mode`
  std::string pipeline_hash = {};
  std::string engine = {};  // program version
  uint64_t questions = 0;
  uint64_t done = 0;
  uint64_t errors = 0;         // questions that could not be run
  uint64_t lost_passages = 0;  // judged passages whose text is gone
  std::vector<MetricSummary> metrics = {};
  std::vector<SliceSummary> slices = {};
  std::vector<std::string> judges = {};  // "judge_relevance by relevance/1, tier big (model-x), 1 vote"
  bool has_answers = false;
  AbstentionScores abstention = {};
};

std::string EncodeEvaluation(const EvaluationRecord& record);
absl::StatusOr<EvaluationRecord> DecodeEvaluation(std::string_view json);
std::string EncodeQuestionResult(const QuestionResult& result);
absl::StatusOr<QuestionResult> DecodeQuestionResult(std::string_view json);

// Evaluations of a tenant, by id. Thread safe.
//
// Records: "run/ID" is the evaluation as JSON, "result/ID/NNNNNNNN" (eight digits: the question's
// place in the dataset) what came of a question. A result is written once.
class EvaluationStore {
 public:
  EvaluationStore(EvaluationRecords& records, std::string tenant)
      : records_(records), tenant_(std::move(tenant)) {}

  absl::Status Put(const EvaluationRecord& record);
  // The record as Put writes it, for a transaction with other things.
  static NamedRecord ToNamed(const EvaluationRecord& record);
  absl::Status PutResults(const std::string& id, const std::vector<QuestionResult>& results);
  static std::vector<NamedRecord> ToNamed(const std::string& id, const std::vector<QuestionResult>& results);
  // An id, or the start of one that no other has, of at least 4 characters. NOT_FOUND.
  absl::StatusOr<EvaluationRecord> Get(std::string_view id) const;
  // By question.
  absl::StatusOr<std::vector<QuestionResult>> Results(const std::string& id) const;
  // Newest first, at most `limit`.
  absl::StatusOr<std::vector<EvaluationRecord>> List(size_t limit) const;

 private:
  EvaluationRecords& records_;
  const std::string tenant_;
};

}  // namespace vouch
