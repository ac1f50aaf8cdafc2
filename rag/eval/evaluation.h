#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/embed/embedder_registry.h"
#include "rag/eval/collection_subject.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation_record.h"
#include "storage/journal.h"

namespace vouch {

struct EvaluationOptions {
  static constexpr uint32_t kMaxParallel = 32;

  DatasetRef dataset = {};
  std::string answers = "none";  // AnswerKindName, for the record
  uint32_t depth = 1'000;
  uint32_t context_chunks = 8;  // of which context_* measures speak
  uint32_t parallel = 2;        // questions at a time, 1 … kMaxParallel; figures do not depend on it
  // Results are written together, at the latest after so many questions: what a kill may lose.
  uint32_t keep_every = 32;
  std::string actor = "default/system";  // who runs it, for the audit log
  CancelToken cancel = {};
  std::function<void(double)> progress = {};  // from any of the threads, one at a time
};

// What a judge found of an evaluation's answers.
struct JudgedMeasures {
  std::map<std::string, std::string> by = {};  // measure → who judged it, "relevance/1, tier big (model-x), 1 vote"
  // By the questions' places in the dataset; a measure of `by` that a question has not is NaN there.
  std::map<uint64_t, std::map<std::string, double>> values = {};
};

// Runs a dataset's questions by a subject and keeps what came of each. Killed or cancelled at any
// time, the evaluation stands as far as its results were written, and Resume goes on from there.
class Evaluator {
 public:
  Evaluator(Store& store, const Clock& clock, std::string tenant)
      : datasets_(EvaluationRecords::Of(store), tenant),
        evaluations_(EvaluationRecords::Of(store), tenant),
        journal_(Journal::Of(store)),
        clock_(clock),
        tenant_(std::move(tenant)) {}

  // A new evaluation. A question that cannot be run (INVALID_ARGUMENT) is an error of that question;
  // any other error ends the evaluation, unfinished.
  absl::StatusOr<EvaluationRecord> Run(EvaluationSubject& subject, const EvaluationOptions& options);
  // The rest of one that is not finished. The subject must be the one that the record names:
  // FAILED_PRECONDITION where its versions are others. A finished one is returned as it is.
  absl::StatusOr<EvaluationRecord> Resume(const EvaluationRecord& record,
                                          EvaluationSubject& subject,
                                          const EvaluationOptions& options);
  // Adds a judge's measures to the results and figures of a finished one, with an entry in the audit log, in one transaction; returns
  // the record. Judging takes minutes, so record and results are read again as they stand now: what others changed meanwhile stays.
  absl::StatusOr<EvaluationRecord> AddJudged(const std::string& id, const JudgedMeasures& judged, const std::string& actor);

 private:
  absl::StatusOr<EvaluationRecord> Finish(EvaluationRecord record, const Dataset& dataset,
                                          EvaluationSubject& subject,
                                          const EvaluationOptions& options);
  // With its entry in the audit log, in one transaction.
  absl::Status PutWithEntry(const EvaluationRecord& record, std::vector<NamedRecord> others,
                            const char* action, int64_t time_us, const std::string& actor);

  DatasetStore datasets_;
  EvaluationStore evaluations_;
  Journal& journal_;
  const Clock& clock_;
  const std::string tenant_;
};

// Measures over the questions, all together and by tag. Results stand at their places.
void Summarize(const std::vector<DatasetQuestion>& questions,
               const std::vector<QuestionResult>& results, EvaluationRecord* record);

}  // namespace vouch
